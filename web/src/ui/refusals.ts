import { t } from "@lingui/core/macro";

import { clock, compact, dateTime, money } from "@/i18n/format";

const AMOUNTS = ["amount", "spent", "reserved", "wanted", "resets_at"] as const;

type Details = Readonly<Record<string, unknown>>;

/** What a limit refused, in words with amounts and times as the reader writes them; null where facts are missing. */
export const REFUSALS: Readonly<Record<string, (details: Details) => string | null>> = {
  budget_exceeded: (details) => {
    const { currency } = details;
    const [amount, spent, reserved, wanted, resets_at] = AMOUNTS.map((name) => details[name]);
    if (!isNumber(amount) || !isNumber(spent) || !isNumber(reserved) || !isNumber(wanted)) return null;
    if (!isNumber(resets_at) || typeof currency !== "string") return null;
    const shown = (value: number) => money(value, currency);
    const whose = budgetOf(details.subject_kind, details.period === "day");
    const used = t`${whose} does not suffice: ${shown(spent)} of ${shown(amount)} are spent.`;
    const anew = t`It begins anew ${dateTime(resets_at)}.`;
    if (wanted > amount)
      return `${used} ${t`This answer may cost ${shown(wanted)}; a cheaper model may do.`} ${anew}`;
    if (spent + wanted <= amount) {
      return `${used} ${t`${shown(reserved)} are set aside for answers under way: try again when they have ended.`}`;
    }
    return `${used} ${anew}`;
  },
  rate_limited: (details) => {
    const { allowed, resets_at, wanted } = details;
    if (typeof allowed !== "number") return null;
    const what = allowanceOf(details.limit, compact(allowed));
    const reached = t`${limitOf(details.subject_kind)} is reached: ${what}.`;
    if (typeof wanted === "number") {
      return `${reached} ${t`This prompt has about ${compact(wanted)} tokens; make it shorter.`}`;
    }
    if (details.limit === "concurrent_requests") return `${reached} ${t`Try again when one has ended.`}`;
    return typeof resets_at === "number" ? `${reached} ${t`Try again after ${clock(resets_at)}.`}` : reached;
  },
};

function budgetOf(kind: unknown, day: boolean): string {
  switch (kind) {
    case "key":
      return day ? t`The API key’s budget for today` : t`The API key’s budget for this month`;
    case "group":
      return day ? t`Your team’s budget for today` : t`Your team’s budget for this month`;
    case "user":
      return day ? t`Your budget for today` : t`Your budget for this month`;
    default:
      return day ? t`The budget of all here for today` : t`The budget of all here for this month`;
  }
}

function limitOf(kind: unknown): string {
  switch (kind) {
    case "key":
      return t`The API key’s limit`;
    case "group":
      return t`Your team’s limit`;
    case "user":
      return t`Your limit`;
    default:
      return t`The limit of all here together`;
  }
}

function allowanceOf(limit: unknown, allowed: string): string {
  switch (limit) {
    case "tokens_per_minute":
      return t`${allowed} tokens a minute`;
    case "concurrent_requests":
      return t`${allowed} requests at once`;
    default:
      return t`${allowed} requests a minute`;
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}
