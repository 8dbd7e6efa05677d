import { Plural, useLingui } from "@lingui/react/macro";

import type { Message } from "@/api/types";
import { money } from "@/features/usage/money";
import { duration, number } from "@/i18n/format";

import { Why } from "./Why";

/** Who answered, how much and how fast: small, for those who look. */
export function UsageLine({ model, usage }: { model: string | null; usage: Message["usage"] }) {
  const { t } = useLingui();
  const rate = usage?.tokens_per_second;
  const speed = rate ? number(rate, rate < 10 ? 1 : 0) : null;
  const parts = [
    model,
    usage ? <Plural key="tokens" value={usage.output ?? 0} one="# token" other="# tokens" /> : null,
    speed ? t`${speed} tokens/s` : null,
    usage?.cost ? money(usage.cost, usage.currency ?? "USD") : null,
    (usage?.duration_ms ?? 0) >= 100 ? duration(usage?.duration_ms ?? 0) : null,
  ].filter((part) => part !== null);
  if (parts.length === 0) return null;
  return (
    <span className="ml-2 flex min-w-0 flex-wrap gap-x-2 text-xs text-muted tabular-nums" data-usage>
      {parts.map((part, index) => (
        <span key={index} className="truncate">
          {part}
        </span>
      ))}
      {usage?.reasons?.length ? <Why reasons={usage.reasons} /> : null}
    </span>
  );
}
