import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { CALL_NEEDS, capabilityName } from "@/features/models/capabilities";
import { useUsers } from "@/features/accounts/people";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Checkbox } from "@/ui/Checkbox";
import { Disclosure } from "@/ui/Disclosure";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { NumberField } from "@/ui/NumberField";
import { SelectField } from "@/ui/SelectField";
import { TextArea } from "@/ui/TextArea";
import { TextField } from "@/ui/TextField";
import { WordsField } from "@/ui/WordsField";

import { definitionOf, type RouteDraft } from "./draft";
import { Outcome } from "./Outcome";
import { useExplain } from "./queries";

interface Sample {
  prompt: string;
  tokens: number | null;
  longest: number | null;
  needs: string[];
  tags: string[];
  at: string;
  user: string;
}

/** A dry run of the route as it is written now: the code of a real call, and nobody is asked. */
export function TryPart({ draft, currency }: { draft: RouteDraft; currency: string }) {
  const { t } = useLingui();
  const users = useUsers();
  const attempt = useExplain();
  const [sample, setSample] = useState<Sample>({
    prompt: "",
    tokens: null,
    longest: null,
    needs: [],
    tags: [],
    at: "",
    user: "",
  });
  const change = (patch: Partial<Sample>) => setSample({ ...sample, ...patch });
  const run = () =>
    attempt.mutate({
      model: draft.name.trim() || "-",
      definition: { ...definitionOf(draft) },
      call: {
        prompt: sample.prompt,
        prompt_tokens: sample.tokens,
        max_tokens: sample.longest,
        needs: sample.needs,
        tags: sample.tags,
        at: sample.at ? new Date(sample.at).getTime() : null,
        user_id: sample.user || null,
      },
    });
  return (
    <Section
      title={t`Try it`}
      intro={t`Who would answer a call, and why? It runs the code of a real call, with what is written above; nobody is asked.`}
    >
      <TextArea
        label={t`Prompt`}
        placeholder={t`Anything; only its length counts.`}
        value={sample.prompt}
        onChange={(event) => change({ prompt: event.target.value })}
      />
      <Disclosure title={<Trans>More about the call</Trans>}>
        <div className="grid gap-4 sm:grid-cols-2">
          <NumberField
            label={t`Length of the prompt, instead of one`}
            unit={t`tokens`}
            min={0}
            value={sample.tokens}
            onChange={(tokens) => change({ tokens })}
          />
          <NumberField
            label={t`Longest answer`}
            unit={t`tokens`}
            min={1}
            value={sample.longest}
            onChange={(longest) => change({ longest })}
          />
          <WordsField label={t`Tags`} value={sample.tags} onChange={(tags) => change({ tags })} />
          <SelectField
            label={t`Who asks`}
            value={sample.user}
            onChange={(event) => change({ user: event.target.value })}
          >
            <option value="">{t`Me`}</option>
            {(users.data ?? []).map(({ id, name, display_name: shown }) => (
              <option key={id} value={id}>
                {shown || name}
              </option>
            ))}
          </SelectField>
          <TextField
            label={t`When`}
            type="datetime-local"
            value={sample.at}
            onChange={(event) => change({ at: event.target.value })}
          />
        </div>
        <fieldset>
          <legend className="text-sm font-medium">
            <Trans>It needs</Trans>
          </legend>
          <div className="mt-1 flex flex-wrap gap-x-5">
            {CALL_NEEDS.map((name) => (
              <Checkbox
                key={name}
                label={capabilityName(name)}
                checked={sample.needs.includes(name)}
                onChange={(on) =>
                  change({
                    needs: on ? [...sample.needs, name] : sample.needs.filter((other) => other !== name),
                  })
                }
              />
            ))}
          </div>
        </fieldset>
      </Disclosure>
      <Button
        className="self-start"
        busy={attempt.isPending}
        disabled={draft.targets.length === 0 || attempt.isPending}
        onClick={run}
      >
        <Trans>Who would answer?</Trans>
      </Button>
      {attempt.error ? <Notice look="error">{explain(attempt.error)}</Notice> : null}
      {attempt.data ? <Outcome explanation={attempt.data} currency={currency} /> : null}
    </Section>
  );
}
