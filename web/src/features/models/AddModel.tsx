import { Trans, useLingui } from "@lingui/react/macro";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { Skeleton } from "@/ui/Skeleton";

import { PullForm } from "./PullForm";
import { useSuggestions } from "./queries";
import { Suggestion } from "./Suggestion";

/** How to get more models: what fits this machine, or anything by its source. */
export function AddModel() {
  const { t, i18n } = useLingui();
  const suggestions = useSuggestions(i18n.locale);
  const offered = (suggestions.data ?? []).filter(({ installed }) => !installed);
  return (
    <Section title={t`Get a model`} intro={t`These fit the memory of this machine.`}>
      {suggestions.isPending ? <Skeleton lines={3} /> : null}
      {suggestions.isError ? (
        <Notice
          look="error"
          action={
            <Button small onClick={() => void suggestions.refetch()}>
              <Trans>Try again</Trans>
            </Button>
          }
        >
          {explain(suggestions.error)}
        </Notice>
      ) : null}
      {offered.length > 0 ? (
        <ul className="divide-y divide-line border-y border-line">
          {offered.map((suggestion) => (
            <Suggestion key={suggestion.name} suggestion={suggestion} />
          ))}
        </ul>
      ) : null}
      <PullForm />
    </Section>
  );
}
