import { Trans, useLingui } from "@lingui/react/macro";
import { Plus } from "lucide-react";

import type { RouteProblem } from "@/api/types";
import { CALL_NEEDS, capabilityName } from "@/features/models/capabilities";
import { Button } from "@/ui/Button";
import { Checkbox } from "@/ui/Checkbox";
import { NumberField } from "@/ui/NumberField";
import { WordsField } from "@/ui/WordsField";

import { ownZone } from "./clock";
import { type Conditions, type Hours } from "./draft";
import { HoursField } from "./HoursField";
import { problemText } from "./RouteEditor";

const NANO = 1_000_000_000;

/** Which calls are taken: all that is given must hold. */
export function ConditionsForm({
  when,
  place,
  problems,
  currency,
  onChange,
}: {
  when: Conditions;
  /** Where it is in the definition: `when`, `targets[0].when`. */
  place: string;
  problems: readonly RouteProblem[];
  currency: string;
  onChange: (when: Conditions) => void;
}) {
  const { t } = useLingui();
  const change = (patch: Partial<Conditions>) => onChange({ ...when, ...patch });
  const error = (name: string) => problemText(problems, `${place}.${name}`);
  const toggle = (name: string, on: boolean) =>
    change({ needs: on ? [...when.needs, name] : when.needs.filter((other) => other !== name) });
  const needs = [
    ...CALL_NEEDS,
    ...when.needs.filter((name) => !(CALL_NEEDS as readonly string[]).includes(name)),
  ];
  const putHours = (place: number, hours: Hours | null) =>
    change({
      times: when.times.flatMap((other, index) => (index === place ? (hours ? [hours] : []) : [other])),
    });
  return (
    <div className="flex flex-col gap-5">
      <fieldset>
        <legend className="text-sm font-medium">
          <Trans>Only calls that need all of these</Trans>
        </legend>
        <div className="mt-1 flex flex-wrap gap-x-5">
          {needs.map((name) => (
            <Checkbox
              key={name}
              label={capabilityName(name)}
              checked={when.needs.includes(name)}
              onChange={(on) => toggle(name, on)}
            />
          ))}
        </div>
      </fieldset>
      <div className="grid gap-4 sm:grid-cols-2">
        <NumberField
          label={t`Prompts from`}
          unit={t`tokens`}
          min={0}
          value={when.min_prompt_tokens}
          error={error("min_prompt_tokens")}
          onChange={(value) => change({ min_prompt_tokens: value })}
        />
        <NumberField
          label={t`Prompts up to`}
          unit={t`tokens`}
          min={0}
          value={when.max_prompt_tokens}
          error={error("max_prompt_tokens")}
          onChange={(value) => change({ max_prompt_tokens: value })}
        />
        <WordsField
          label={t`Tagged with one of`}
          hint={t`Tags come from API keys, groups and callers.`}
          value={when.tags}
          error={error("tags")}
          onChange={(tags) => change({ tags })}
        />
        <WordsField
          label={t`Tagged with none of`}
          value={when.without_tags}
          error={error("without_tags")}
          onChange={(without_tags) => change({ without_tags })}
        />
        <NumberField
          label={t`A call costs at most`}
          hint={t`Prompt and longest answer. Models here cost nothing.`}
          unit={currency}
          min={0}
          step="any"
          value={when.max_cost === null ? null : when.max_cost / NANO}
          error={error("max_cost")}
          onChange={(value) => change({ max_cost: value === null ? null : Math.round(value * NANO) })}
        />
      </div>
      <fieldset className="flex flex-col gap-3">
        <legend className="text-sm font-medium">
          <Trans>Only at these hours</Trans>
        </legend>
        {when.times.map((hours, index) => (
          <HoursField
            key={index}
            hours={hours}
            place={`${place}.times[${index}]`}
            problems={problems}
            onChange={(changed) => putHours(index, changed)}
            onRemove={() => putHours(index, null)}
          />
        ))}
        <Button
          small
          className="self-start"
          onClick={() =>
            change({
              times: [...when.times, { days: ["sat", "sun"], start: "00:00", end: "00:00", zone: ownZone() }],
            })
          }
        >
          <Plus size={14} aria-hidden />
          <Trans>Add hours</Trans>
        </Button>
      </fieldset>
    </div>
  );
}
