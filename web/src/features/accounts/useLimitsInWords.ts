import { useLingui } from "@lingui/react/macro";

import type { Limits } from "@/api/types";
import { compact, listing, money } from "@/i18n/format";

import { useCurrency } from "./limits";

/** Limits in one line: "$5.00 a day, 60 requests a minute". */
export function useLimitsInWords(): (limits: Limits) => string {
  const { t } = useLingui();
  const currency = useCurrency();
  return (limits) => {
    const words: string[] = [];
    const say = (value: number | null | undefined, sentence: (value: number) => string) => {
      if (value !== null && value !== undefined) words.push(sentence(value));
    };
    say(limits.amount_per_day, (value) => t`${money(value, currency)} a day`);
    say(limits.amount_per_month, (value) => t`${money(value, currency)} a month`);
    say(limits.requests_per_minute, (value) => t`${compact(value)} requests a minute`);
    say(limits.tokens_per_minute, (value) => t`${compact(value)} tokens a minute`);
    say(limits.concurrent_requests, (value) => t`${compact(value)} requests at once`);
    return listing(words);
  };
}
