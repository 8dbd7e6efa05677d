import { i18n } from "@lingui/core";

/** Numbers, sizes and times in the page's language. */

const formatters = new Map<string, Intl.NumberFormat>();

/** Making a formatter costs a hundred times more than using it. */
function formatter(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = i18n.locale + JSON.stringify(options);
  let made = formatters.get(key);
  if (!made) {
    made = new Intl.NumberFormat(i18n.locale, options);
    formatters.set(key, made);
  }
  return made;
}

export function number(value: number, digits = 0): string {
  return formatter({ maximumFractionDigits: digits }).format(value);
}

/** `bytes` in the unit people use for files: 98 MB, 1.9 GB. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${number(size, size < 10 && unit > 2 ? 1 : 0)} ${units[unit] ?? ""}`;
}

/** A count of parameters: 135M, 7.6B. */
export function parameters(value: number): string {
  if (value >= 1e9) return `${number(value / 1e9, value < 1e10 ? 1 : 0)}B`;
  return `${number(value / 1e6)}M`;
}

/** A length in tokens: 4k, 32k, 128k; exact below a thousand. */
export function tokens(value: number): string {
  if (value < 1000) return number(value);
  return `${number(value / (value % 1024 === 0 ? 1024 : 1000), value < 10_000 && value % 1024 !== 0 ? 1 : 0)}k`;
}

/** A large count in few characters: 6.1M or 607万. */
export function compact(value: number): string {
  return formatter({ notation: "compact", maximumFractionDigits: 1 }).format(value);
}

const NANO = 1_000_000_000;

/** An amount in billionths of a currency: cents where they say enough, more digits for what is small. */
export function money(amount: number, currency: string): string {
  const value = amount / NANO;
  const small = value !== 0 && Math.abs(value) < 1;
  return formatter({ style: "currency", currency, maximumFractionDigits: small ? 4 : 2 }).format(value);
}

/** A duration given in milliseconds: 0.8 s, 12 s, 2 min. */
export function duration(ms: number): string {
  const unit = (value: number, name: string, digits = 0) =>
    formatter({ style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(
      value,
    );
  if (ms < 10_000) return unit(ms / 1000, "second", 1);
  if (ms < 90_000) return unit(ms / 1000, "second");
  return unit(ms / 60_000, "minute", ms < 600_000 ? 1 : 0);
}

/** So many days, hours or minutes. */
export function span(value: number, unit: "day" | "hour" | "minute"): string {
  return formatter({ style: "unit", unit, unitDisplay: unit === "day" ? "long" : "short" }).format(value);
}

export function dateTime(at: number): string {
  return new Intl.DateTimeFormat(i18n.locale, { dateStyle: "medium", timeStyle: "short" }).format(at);
}

/** A time of today, to the second: what is over in a minute. */
export function clock(at: number): string {
  return new Intl.DateTimeFormat(i18n.locale, { timeStyle: "medium" }).format(at);
}

export function date(at: number): string {
  return new Intl.DateTimeFormat(i18n.locale, { dateStyle: "medium" }).format(at);
}

/** Names side by side: "English, Chinese" or "英语、中文". */
export function listing(names: readonly string[]): string {
  return names.join(i18n.locale.startsWith("zh") ? "、" : ", ");
}

/** The name of a language, in the page's language: `zh` is 中文 or Chinese. */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames(i18n.locale, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
