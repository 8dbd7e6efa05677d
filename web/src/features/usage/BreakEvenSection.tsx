import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";

import { compact, number } from "@/i18n/format";
import { Section } from "@/shell/Section";

import { money } from "./money";
import { type Span, useBreakEven } from "./queries";

/** How many bought models each local one is compared with. */
const SHOWN = 3;

/** What the work of local models would have cost elsewhere; nothing where none worked. */
export function BreakEvenSection({ span }: { span: Span }) {
  const { t } = useLingui();
  const { data } = useBreakEven(span);
  if (!data || data.models.length === 0) return null;
  return (
    <Section
      title={t`This machine against bought models`}
      intro={t`What the tokens of your local models would have cost at published prices. Only money is compared, not quality.`}
    >
      {data.machine_cost === null ? (
        <p className="text-muted">
          <Trans>
            Say what this machine costs under{" "}
            <Link to="/admin/$section" params={{ section: "server" }} className="text-ember underline">
              Server
            </Link>{" "}
            to see when it pays.
          </Trans>
        </p>
      ) : null}
      <ul className="divide-y divide-line border-y border-line">
        {data.models.map((model) => (
          <li key={model.model} className="flex flex-col gap-1 py-3">
            <p className="flex flex-wrap justify-between gap-x-4">
              <span className="font-medium">{model.model}</span>
              <span className="text-sm text-muted tabular-nums">
                <Trans>
                  {compact(model.input_tokens)} tokens in, {compact(model.output_tokens)} out
                </Trans>
                {data.machine_cost === null ? null : ` · ${money(model.cost, data.currency)}`}
              </span>
            </p>
            <ul className="text-sm text-muted">
              {model.comparisons
                .filter(({ cost }) => cost > 0)
                .slice(0, SHOWN)
                .map((other) => (
                  <li
                    key={`${other.provider} ${other.model}`}
                    className="flex justify-between gap-4 tabular-nums"
                  >
                    <span>{other.model}</span>
                    <span>
                      {money(other.cost, data.currency)}
                      {data.machine_cost === null || other.break_even_share === null ? null : (
                        <>
                          {" · "}
                          {other.break_even_share <= 1 ? (
                            <Trans>this machine is cheaper</Trans>
                          ) : (
                            <Trans>
                              even at {number(other.break_even_share, other.break_even_share < 10 ? 1 : 0)}{" "}
                              times the work
                            </Trans>
                          )}
                        </>
                      )}
                    </span>
                  </li>
                ))}
            </ul>
          </li>
        ))}
      </ul>
    </Section>
  );
}
