import { Trans, useLingui } from "@lingui/react/macro";

import type { UsageSums } from "@/api/types";
import { compact, duration, number } from "@/i18n/format";

import { money } from "./money";

/** Totals by one column, the dearest and busiest first. */
export function UsageTable({
  rows,
  heading,
  nameOf,
}: {
  rows: readonly UsageSums[];
  heading: string;
  nameOf: (sums: UsageSums) => string;
}) {
  const { t } = useLingui();
  const sorted = [...rows].sort((one, other) => other.cost - one.cost || other.calls - one.calls);
  return (
    <div className="-mx-4 overflow-x-auto px-4 sm:mx-0 sm:px-0">
      <table className="w-full min-w-lg text-sm">
        <thead>
          <tr className="border-b border-line text-left text-muted [&>th]:py-2 [&>th]:pr-3 [&>th]:font-medium">
            <th scope="col">{heading}</th>
            <th scope="col" className="text-right">
              <Trans>Cost</Trans>
            </th>
            <th scope="col" className="text-right">
              <Trans>Requests</Trans>
            </th>
            <th scope="col" className="text-right">
              <Trans>Tokens in</Trans>
            </th>
            <th scope="col" className="text-right">
              <Trans>Tokens out</Trans>
            </th>
            <th scope="col" className="text-right">
              <Trans>First token</Trans>
            </th>
            <th scope="col" className="text-right">
              <Trans>Failed</Trans>
            </th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line [&_td]:py-2 [&_td]:pr-3">
          {sorted.map((sums) => (
            <tr key={JSON.stringify([sums.group, sums.currency])}>
              <td className="max-w-48 truncate font-medium" title={nameOf(sums)}>
                {nameOf(sums)}
              </td>
              <td className="text-right tabular-nums">
                {sums.unpriced_calls === sums.calls ? (
                  <span className="text-muted" title={t`No price is known.`}>
                    –
                  </span>
                ) : (
                  money(sums.cost, sums.currency)
                )}
              </td>
              <td className="text-right tabular-nums">{number(sums.calls)}</td>
              <td className="text-right tabular-nums">{compact(sums.input_tokens)}</td>
              <td className="text-right tabular-nums">{compact(sums.output_tokens)}</td>
              <td className="text-right tabular-nums">
                {sums.ttft_ms === null ? "–" : duration(sums.ttft_ms)}
              </td>
              <td className="text-right tabular-nums">{number(sums.failed_calls)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
