import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";

import type { BudgetUse, LimitsInfo } from "@/api/types";
import { compact, dateTime, money, number } from "@/i18n/format";
import { Meter, type MeterPart } from "@/ui/Meter";

/** From this part of a limit on it is worth a warning. */
const NEAR = 0.8;

interface Bar {
  id: string;
  label: string;
  words: string;
  note?: string;
  used: number;
  total: number;
  parts: MeterPart[];
}

/** Each limit somebody has, drawn with how much of it is used. Says nothing where there is none. */
export function LimitBars({ limits, columns = false }: { limits: LimitsInfo; columns?: boolean }) {
  const bars = useBars(limits);
  if (bars.length === 0) return null;
  return (
    <ul className={clsx("grid gap-x-8 gap-y-2", columns && bars.length > 1 && "sm:grid-cols-2")}>
      {bars.map(({ id, label, words, note, used, total, parts }) => (
        <li key={id} className="min-w-0">
          <p className="flex flex-wrap justify-between gap-x-3 text-xs">
            <span className="text-muted">{label}</span>
            <span className={clsx("tabular-nums", used >= total * NEAR && "font-medium text-danger")}>
              {words}
            </span>
          </p>
          <Meter label={`${label}: ${words}`} parts={parts} total={total} />
          {note ? <p className="mt-0.5 text-xs text-muted">{note}</p> : null}
        </li>
      ))}
    </ul>
  );
}

function useBars(limits: LimitsInfo): Bar[] {
  const { t } = useLingui();
  const budget = (id: string, label: string, use: BudgetUse | null): Bar[] => {
    if (!use) return [];
    const { amount, spent, reserved, held, currency } = use;
    const used = spent + reserved + held;
    const shown = (value: number) => money(value, currency);
    const notes = [
      t`${shown(Math.max(0, amount - used))} left`,
      reserved > 0 ? t`${shown(reserved)} set aside for answers under way` : null,
      held > 0 ? t`${shown(held)} held by a server that ended` : null,
      t`begins anew ${dateTime(use.resets_at)}`,
    ];
    return [
      {
        id,
        label,
        words: t`${shown(spent)} of ${shown(amount)}`,
        note: notes.filter((note) => note !== null).join(" · "),
        used,
        total: amount,
        parts: [
          { value: spent, label: t`spent: ${shown(spent)}` },
          { value: reserved, label: t`set aside: ${shown(reserved)}`, look: "ink" as const },
          { value: held, label: t`held: ${shown(held)}`, look: "muted" as const },
        ].filter(({ value }) => value > 0),
      },
    ];
  };
  const rate = (id: string, label: string, used: number, total: number | null | undefined): Bar[] => {
    if (total === null || total === undefined) return [];
    const words = t`${compact(used)} of ${compact(total)}`;
    const parts = used > 0 ? [{ value: used, label: number(used) }] : [];
    return [{ id, label, words, used, total, parts }];
  };
  return [
    ...budget("day", t`Today`, limits.day),
    ...budget("month", t`This month`, limits.month),
    ...rate("requests", t`Requests in the last minute`, limits.requests, limits.requests_per_minute),
    ...rate("tokens", t`Tokens in the last minute`, limits.tokens, limits.tokens_per_minute),
    ...rate("concurrent", t`Requests under way`, limits.concurrent, limits.concurrent_requests),
  ];
}
