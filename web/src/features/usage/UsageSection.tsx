import { Trans, useLingui } from "@lingui/react/macro";
import { Download } from "lucide-react";
import { useState } from "react";

import type { UsageSums } from "@/api/types";
import { useIsAdmin } from "@/features/accounts/session";
import { compact, date, dateTime, number } from "@/i18n/format";
import { Section } from "@/shell/Section";
import { ErrorState } from "@/ui/ErrorState";
import { SelectField } from "@/ui/SelectField";
import { Skeleton } from "@/ui/Skeleton";

import { Bars } from "./Bars";
import { BreakEvenSection } from "./BreakEvenSection";
import { money } from "./money";
import {
  exportAddress,
  type Grouping,
  type Measure,
  measured,
  type Span,
  useUsageBy,
  useUsageOverTime,
} from "./queries";
import { spanOf, type SpanName, steps } from "./spans";
import { UsageTable } from "./UsageTable";
import { useNames } from "./useNames";

/** Settings > Usage: what was used and what it cost; an administrator sees everybody's. */
export function UsageSection() {
  const { t } = useLingui();
  const admin = useIsAdmin();
  const [now] = useState(() => Date.now());
  const [name, setName] = useState<SpanName>("month");
  const [measure, setMeasure] = useState<Measure>("tokens");
  const [grouping, setGrouping] = useState<Grouping>("model");
  const span = spanOf(name, now);
  const groupings: [Grouping, string][] = [
    ["model", t`Model`],
    ["provider", t`Provider`],
    ...(admin
      ? ([
          ["user_id", t`Person`],
          ["team_id", t`Team`],
        ] as [Grouping, string][])
      : []),
    ["key_id", t`API key`],
    ["source", t`Used through`],
  ];
  const heading = groupings.find(([value]) => value === grouping)?.[1] ?? "";
  const table = useUsageBy(grouping, span);
  const nameOf = useNames(grouping);
  return (
    <div className="flex flex-col gap-10">
      <Section
        title={t`Usage`}
        intro={admin ? t`What everybody here used, and what it cost.` : t`What you used, and what it cost.`}
      >
        <div className="grid gap-3 sm:grid-cols-3">
          <SelectField
            label={t`Period`}
            value={name}
            onChange={(event) => setName(event.target.value as SpanName)}
          >
            <option value="today">{t`Today`}</option>
            <option value="week">{t`Last 7 days`}</option>
            <option value="month">{t`Last 30 days`}</option>
            <option value="year">{t`Last 12 months`}</option>
          </SelectField>
          <SelectField
            label={t`Shown`}
            value={measure}
            onChange={(event) => setMeasure(event.target.value as Measure)}
          >
            <option value="tokens">{t`Tokens`}</option>
            <option value="cost">{t`Cost`}</option>
            <option value="calls">{t`Requests`}</option>
          </SelectField>
          <SelectField
            label={t`By`}
            value={grouping}
            onChange={(event) => setGrouping(event.target.value as Grouping)}
          >
            {groupings.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </SelectField>
        </div>
        <OverTime span={span} step={name === "today" ? "hour" : "day"} measure={measure} />
        {table.isPending ? <Skeleton lines={4} /> : null}
        {table.isError ? <ErrorState error={table.error} retry={() => void table.refetch()} /> : null}
        {table.data?.length === 0 ? (
          <p className="text-muted">
            <Trans>Nothing was used in this time.</Trans>
          </p>
        ) : null}
        {table.data && table.data.length > 0 ? (
          <>
            <UsageTable rows={table.data} heading={heading} nameOf={nameOf} />
            <a
              href={exportAddress(span)}
              download
              className="inline-flex min-h-10 items-center gap-2 self-start text-sm text-ember hover:underline"
            >
              <Download size={16} aria-hidden />
              <Trans>Every call as CSV</Trans>
            </a>
          </>
        ) : null}
      </Section>
      {admin ? <BreakEvenSection span={span} /> : null}
    </div>
  );
}

function OverTime({ span, step, measure }: { span: Span; step: "day" | "hour"; measure: Measure }) {
  const { t } = useLingui();
  const { data } = useUsageOverTime(span, step);
  if (!data || data.length === 0) return null;
  const currency = data[0]?.currency ?? "USD";
  const shown = (value: number) =>
    measure === "cost" ? money(value, currency) : measure === "tokens" ? compact(value) : number(value);
  const found = new Map<number, number>();
  // Amounts in several currencies are never added together: the bars show one of them, the table all.
  for (const sums of data.filter((sums) => measure !== "cost" || sums.currency === currency)) {
    const at = Number(sums.group[step]);
    found.set(at, (found.get(at) ?? 0) + measured(sums, measure));
  }
  const label = step === "hour" ? dateTime : date;
  const bars = steps(span, step).map((at) => {
    const value = found.get(at) ?? 0;
    return { at, value, label: `${label(at)}: ${shown(value)}` };
  });
  const total = [...found.values()].reduce((sum, value) => sum + value, 0);
  return (
    <>
      <Totals rows={data} />
      <Bars
        label={t`Use over time: ${shown(total)} in all`}
        bars={bars}
        from={label(bars[0]?.at ?? span.since)}
        to={label(bars.at(-1)?.at ?? span.until)}
      />
    </>
  );
}

function Totals({ rows }: { rows: readonly UsageSums[] }) {
  const { t } = useLingui();
  const sum = (of: (sums: UsageSums) => number) => rows.reduce((total, sums) => total + of(sums), 0);
  const costs = new Map<string, number>();
  for (const { currency, cost } of rows) costs.set(currency, (costs.get(currency) ?? 0) + cost);
  const figures: [string, string][] = [
    [t`Cost`, [...costs].map(([currency, cost]) => money(cost, currency)).join(" + ")],
    [t`Requests`, number(sum(({ calls }) => calls))],
    [t`Tokens in`, compact(sum(({ input_tokens }) => input_tokens))],
    [t`Tokens out`, compact(sum(({ output_tokens }) => output_tokens))],
    [t`Failed`, number(sum(({ failed_calls }) => failed_calls))],
  ];
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-3">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt className="text-sm text-muted">{name}</dt>
          <dd className="text-lg font-semibold tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
