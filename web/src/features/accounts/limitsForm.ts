import type { Limits } from "@/api/types";

/** What may be limited, in the order of the form. */
export const LIMITS = [
  "amount_per_day",
  "amount_per_month",
  "requests_per_minute",
  "tokens_per_minute",
  "concurrent_requests",
] as const;

export type LimitName = (typeof LIMITS)[number];
export type LimitsForm = Record<LimitName, string>;

const NANO = 1_000_000_000;
const MOST = 2 ** 53;
const UNITS: Readonly<Record<string, number>> = {
  k: 1e3,
  w: 1e4,
  千: 1e3,
  万: 1e4,
  萬: 1e4,
  m: 1e6,
  b: 1e9,
  亿: 1e8,
  億: 1e8,
};

export const isAmount = (name: LimitName) => name.startsWith("amount");

/** A number as people write it: `1,500`, `100k`, `10万`; null where it is none. */
export function readNumber(text: string): number | null {
  const found = /^([\d.,，\s]+)(\p{L}?)$/u.exec(text.trim());
  if (!found) return null;
  const digits = (found[1] ?? "").replace(/[,，\s]/g, "");
  const unit = (found[2] ?? "").toLowerCase();
  const value = Number(digits);
  if (digits === "" || !Number.isFinite(value)) return null;
  if (unit === "") return value;
  const factor = UNITS[unit];
  return factor === undefined ? null : value * factor;
}

export function toLimitsForm(limits?: Limits | null): LimitsForm {
  const text = (name: LimitName) => {
    const value = limits?.[name];
    if (value === null || value === undefined) return "";
    return String(isAmount(name) ? value / NANO : value);
  };
  return Object.fromEntries(LIMITS.map((name) => [name, text(name)])) as LimitsForm;
}

/** The limits a form holds (an empty field is without limit), and which of its fields cannot be. */
export function fromLimitsForm(form: LimitsForm): { limits: Limits; wrong: Set<LimitName>; any: boolean } {
  const limits: Limits = {};
  const wrong = new Set<LimitName>();
  for (const name of LIMITS) {
    if (form[name].trim() === "") {
      limits[name] = null;
      continue;
    }
    const read = readNumber(form[name]);
    const value = read === null ? null : isAmount(name) ? Math.round(read * NANO) : read;
    if (value === null || value < 0 || value > MOST || !Number.isInteger(value)) wrong.add(name);
    else limits[name] = value;
  }
  return { limits, wrong, any: LIMITS.some((name) => limits[name] !== null && limits[name] !== undefined) };
}
