import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";

import type { SamplingSettings } from "@/api/types";

export type SamplingName = "temperature" | "top_p" | "max_tokens" | "seed";

export interface SamplingFieldSpec {
  name: SamplingName;
  label: MessageDescriptor;
  hint: MessageDescriptor;
  least: number;
  most: number;
  step: number;
}

/** The sampling settings the panel shows, with the server's limits. */
export const SAMPLING_FIELDS: readonly SamplingFieldSpec[] = [
  {
    name: "temperature",
    label: msg`Temperature`,
    hint: msg`0 is steady and repeatable, 1 is lively; up to 2.`,
    least: 0,
    most: 2,
    step: 0.1,
  },
  {
    name: "top_p",
    label: msg`Top P`,
    hint: msg`Considers only the likeliest words up to this share, above 0 and up to 1.`,
    least: 0.01,
    most: 1,
    step: 0.01,
  },
  {
    name: "max_tokens",
    label: msg`Longest answer, in tokens`,
    hint: msg`The answer stops here and can be continued.`,
    least: 1,
    most: 10_000_000,
    step: 1,
  },
  {
    name: "seed",
    label: msg`Seed`,
    hint: msg`The same number gives the same answer again, where the model supports it.`,
    least: 0,
    most: 2 ** 32 - 1,
    step: 1,
  },
];

export type SamplingForm = Record<SamplingName, string>;

export function toForm(settings: SamplingSettings): SamplingForm {
  const text = (value: number | null | undefined) =>
    value === null || value === undefined ? "" : String(value);
  return {
    temperature: text(settings.temperature),
    top_p: text(settings.top_p),
    max_tokens: text(settings.max_tokens),
    seed: text(settings.seed),
  };
}

/** The settings a form holds (null: left to the model), and which of its fields cannot be. */
export function fromForm(form: SamplingForm): {
  values: Record<SamplingName, number | null>;
  wrong: Set<SamplingName>;
} {
  const values: Record<SamplingName, number | null> = {
    temperature: null,
    top_p: null,
    max_tokens: null,
    seed: null,
  };
  const wrong = new Set<SamplingName>();
  for (const { name, least, most, step } of SAMPLING_FIELDS) {
    const text = form[name].trim();
    if (text === "") continue;
    const value = Number(text);
    const whole = step < 1 || Number.isInteger(value);
    if (Number.isFinite(value) && value >= least && value <= most && whole) values[name] = value;
    else wrong.add(name);
  }
  return { values, wrong };
}
