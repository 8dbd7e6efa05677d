import { useLingui } from "@lingui/react/macro";
import { useId } from "react";

import { Section } from "@/shell/Section";
import { Checkbox } from "@/ui/Checkbox";
import { NumberField } from "@/ui/NumberField";
import { SelectField } from "@/ui/SelectField";

import type { Sticky, Strategy } from "./draft";
import { type PartProps, problemText } from "./RouteEditor";
import { strategyMeaning, strategyName } from "./words";

const PLAIN = ["ordered", "weighted", "least-busy", "least-latency", "cheapest"] as const;
const STRATEGIES: readonly Strategy[] = [...PLAIN, "sticky"];

/** Who of those that may take a call comes first. */
export function StrategyPart({ draft, change, problems }: PartProps) {
  const { t } = useLingui();
  const group = useId();
  const put = (patch: Partial<Sticky>) => change({ sticky: { ...draft.sticky, ...patch } });
  return (
    <Section title={t`Who comes first`}>
      <div role="radiogroup" aria-label={t`Who comes first`} className="flex flex-col gap-2">
        {STRATEGIES.map((strategy) => (
          <Checkbox
            key={strategy}
            group={group}
            label={strategyName(strategy)}
            hint={strategyMeaning(strategy)}
            checked={draft.strategy === strategy}
            onChange={() => change({ strategy })}
          />
        ))}
      </div>
      {draft.strategy === "sticky" ? (
        <div className="grid gap-4 border-l border-line pl-4 sm:grid-cols-2">
          <SelectField
            label={t`Who takes a new conversation`}
            value={draft.sticky.then}
            onChange={(event) => put({ then: event.target.value as Sticky["then"] })}
          >
            {PLAIN.map((strategy) => (
              <option key={strategy} value={strategy}>
                {strategyName(strategy)}
              </option>
            ))}
          </SelectField>
          <NumberField
            label={t`A prompt cache stays warm for`}
            hint={t`Most vendors keep one for 5 to 10 minutes.`}
            unit={t`seconds`}
            min={1}
            max={86_400}
            value={draft.sticky.warm_for}
            error={problemText(problems, "sticky.warm_for")}
            onChange={(value) => put({ warm_for: value ?? 600 })}
          />
        </div>
      ) : null}
    </Section>
  );
}
