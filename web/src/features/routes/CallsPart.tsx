import { useLingui } from "@lingui/react/macro";

import { Section } from "@/shell/Section";
import { Checkbox } from "@/ui/Checkbox";
import { Disclosure } from "@/ui/Disclosure";

import { ConditionsForm } from "./ConditionsForm";
import { problemsWithin } from "./draft";
import type { PartProps } from "./RouteEditor";
import { conditionsInWords } from "./words";

/** Which calls the whole route takes, and whether they may leave the house. */
export function CallsPart({ draft, change, problems, currency }: PartProps) {
  const { t } = useLingui();
  const words = conditionsInWords(draft.when, currency);
  return (
    <Section title={t`Which calls it takes`}>
      <Checkbox
        label={t`Ask nobody outside the house`}
        hint={t`Only models that run here, and targets you marked as in the house. When they fail, the call fails.`}
        checked={draft.private === "local-only"}
        onChange={(on) => change({ private: on ? "local-only" : null })}
      />
      <Disclosure
        title={
          words.length > 0 ? t`Only ${words.join(" · ")}` : t`All calls; set conditions for the whole route`
        }
        open={problemsWithin(problems, "when").length > 0}
      >
        <ConditionsForm
          when={draft.when}
          place="when"
          problems={problems}
          currency={currency}
          onChange={(when) => change({ when })}
        />
      </Disclosure>
    </Section>
  );
}
