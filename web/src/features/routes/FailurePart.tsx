import { Trans, useLingui } from "@lingui/react/macro";

import { Section } from "@/shell/Section";
import { Checkbox } from "@/ui/Checkbox";
import { Disclosure } from "@/ui/Disclosure";
import { NumberField } from "@/ui/NumberField";
import { SelectField } from "@/ui/SelectField";

import { FAILURES, type Failure, problemsWithin, type Retries } from "./draft";
import { type PartProps, problemText } from "./RouteEditor";
import { failureName } from "./words";

/** When another target takes over, how often one is asked again, and how long one is waited for. */
export function FailurePart({ draft, change, problems }: PartProps) {
  const { t } = useLingui();
  const { fallback, retries } = draft;
  const put = (patch: Partial<Retries>) => change({ retries: { ...retries, ...patch } });
  const toggle = (failure: Failure, on: boolean) =>
    change({ fallback: on ? [...fallback, failure] : fallback.filter((other) => other !== failure) });
  return (
    <Section
      title={t`When one fails`}
      intro={t`Until the first word of an answer has gone out, another can take over; after it, never.`}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <NumberField
          label={t`Wait for the first word at most`}
          hint={t`Then the next is asked. Empty: as long as its provider says.`}
          unit={t`seconds`}
          min={0}
          max={3600}
          step="any"
          value={draft.first_byte_timeout}
          error={problemText(problems, "first_byte_timeout")}
          onChange={(first_byte_timeout) => change({ first_byte_timeout })}
        />
        <NumberField
          label={t`Wait for an answer in one piece at most`}
          unit={t`seconds`}
          min={0}
          max={3600}
          step="any"
          value={draft.answer_timeout}
          error={problemText(problems, "answer_timeout")}
          onChange={(answer_timeout) => change({ answer_timeout })}
        />
        <NumberField
          label={t`Ask again when all have failed`}
          hint={t`Only those that said “try again”, a little later.`}
          unit={t`times`}
          min={0}
          max={10}
          value={retries.times}
          error={problemText(problems, "retries.times")}
          onChange={(times) => put({ times: times ?? 0 })}
        />
      </div>
      <Disclosure
        title={<Trans>Which failures, and the waits between</Trans>}
        open={problemsWithin(problems, "retries").length > 0}
      >
        <fieldset>
          <legend className="text-sm font-medium">
            <Trans>Ask the next one when</Trans>
          </legend>
          <div className="mt-1 grid gap-x-5 sm:grid-cols-2">
            {FAILURES.map((failure) => (
              <Checkbox
                key={failure}
                label={failureName(failure)}
                checked={fallback.includes(failure)}
                onChange={(on) => toggle(failure, on)}
              />
            ))}
          </div>
        </fieldset>
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField
            label={t`After a failure that may pass`}
            value={retries.order}
            onChange={(event) => put({ order: event.target.value as Retries["order"] })}
          >
            <option value="next">{t`ask the others first`}</option>
            <option value="same">{t`ask the same again first`}</option>
          </SelectField>
          <NumberField
            label={t`First wait, doubled each time`}
            hint={t`A random time up to it, so that not all come back at once.`}
            unit={t`seconds`}
            min={0}
            max={60}
            step="any"
            value={retries.wait}
            error={problemText(problems, "retries.wait")}
            onChange={(wait) => put({ wait: wait ?? 0 })}
          />
          <NumberField
            label={t`Longest wait`}
            unit={t`seconds`}
            min={0}
            max={120}
            step="any"
            value={retries.max_wait}
            error={problemText(problems, "retries.max_wait")}
            onChange={(max_wait) => put({ max_wait: max_wait ?? 0 })}
          />
          <NumberField
            label={t`If a provider asks for longer, give up after`}
            unit={t`seconds`}
            min={0}
            max={300}
            step="any"
            value={retries.max_retry_after}
            error={problemText(problems, "retries.max_retry_after")}
            onChange={(max_retry_after) => put({ max_retry_after: max_retry_after ?? 0 })}
          />
        </div>
      </Disclosure>
    </Section>
  );
}
