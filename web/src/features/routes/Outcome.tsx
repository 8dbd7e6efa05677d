import { Trans, useLingui } from "@lingui/react/macro";

import type { Explanation } from "@/api/types";
import { money } from "@/features/usage/money";
import { number } from "@/i18n/format";
import { Notice } from "@/ui/Notice";

import { passedWhy, seconds, takenWhy } from "./words";

/** What would become of a call, in words and in the order things would happen. */
export function Outcome({ explanation, currency }: { explanation: Explanation; currency: string }) {
  const { t } = useLingui();
  const { asked, passed, error, prompt_tokens: tokens } = explanation;
  const [first, ...others] = asked;
  return (
    <div data-outcome role="status" className="flex flex-col gap-4 border-l-2 border-ember pl-4">
      {first ? (
        <p>
          <Trans>
            <strong>{first.model}</strong> would answer: {takenWhy(first.why)}.
          </Trans>{" "}
          <span className="text-sm text-muted">
            {[
              first.local ? t`runs here` : first.provider,
              costInWords(first.cost, first.local, currency),
              t`prompt of about ${number(tokens)} tokens`,
            ]
              .filter(Boolean)
              .join(" · ")}
          </span>
        </p>
      ) : null}
      {error ? (
        <Notice look="error">
          <Trans>Nobody would answer.</Trans> {error.message}
        </Notice>
      ) : null}
      {others.length > 0 ? (
        <div>
          <p className="text-sm font-medium">
            <Trans>If it failed, one after another:</Trans>
          </p>
          <ol className="mt-1 flex list-decimal flex-col gap-1 pl-5 text-sm">
            {others.map((next, index) => (
              <li key={index}>
                <span className="font-medium">{next.model}</span>: {takenWhy(next.why)}
                {next.wait > 0 ? ` · ${t`after ${seconds(next.wait)}`}` : ""}
                {next.cost ? ` · ${costInWords(next.cost, next.local, currency)}` : ""}
              </li>
            ))}
          </ol>
        </div>
      ) : null}
      {passed.length > 0 ? (
        <div>
          <p className="text-sm font-medium">
            <Trans>Not asked:</Trans>
          </p>
          <ul className="mt-1 flex list-disc flex-col gap-1 pl-5 text-sm">
            {passed.map(({ model, why }, index) => (
              <li key={index}>
                <span className="font-medium">{model}</span>: {passedWhy(why)}
              </li>
            ))}
          </ul>
        </div>
      ) : null}
    </div>
  );
}

function costInWords(cost: number | null, local: boolean, currency: string): string {
  return cost === null ? "" : local && cost === 0 ? "" : `≤ ${money(cost, currency)}`;
}
