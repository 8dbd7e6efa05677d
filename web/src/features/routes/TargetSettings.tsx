import { useLingui } from "@lingui/react/macro";

import type { RouteProblem } from "@/api/types";
import { Checkbox } from "@/ui/Checkbox";
import { NumberField } from "@/ui/NumberField";

import { ConditionsForm } from "./ConditionsForm";
import type { TargetDraft } from "./draft";
import { problemText } from "./RouteEditor";

/** Which calls a target takes, and how long it is waited for. */
export function TargetSettings({
  target,
  local,
  place,
  problems,
  currency,
  onChange,
}: {
  target: TargetDraft;
  local: boolean;
  place: string;
  problems: readonly RouteProblem[];
  currency: string;
  onChange: (patch: Partial<TargetDraft>) => void;
}) {
  const { t } = useLingui();
  return (
    <div className="flex flex-col gap-5">
      <ConditionsForm
        when={target.when}
        place={`${place}.when`}
        problems={problems}
        currency={currency}
        onChange={(when) => onChange({ when })}
      />
      <NumberField
        className="max-w-60"
        label={t`Wait for its first word at most`}
        hint={t`Empty: as long as the route says.`}
        unit={t`seconds`}
        min={0}
        max={3600}
        step="any"
        value={target.first_byte_timeout}
        error={problemText(problems, `${place}.first_byte_timeout`)}
        onChange={(first_byte_timeout) => onChange({ first_byte_timeout })}
      />
      {local ? null : (
        <Checkbox
          label={t`What is sent there stays in the house`}
          hint={t`For a server of your own. It is then asked by routes that ask nobody outside.`}
          checked={target.private}
          onChange={(inHouse) => onChange({ private: inHouse })}
        />
      )}
    </div>
  );
}
