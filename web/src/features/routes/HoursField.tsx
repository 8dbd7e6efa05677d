import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";
import { X } from "lucide-react";
import { useId } from "react";

import type { RouteProblem } from "@/api/types";
import { IconButton } from "@/ui/IconButton";
import { TextField } from "@/ui/TextField";

import { EVERY_DAY, type Hours } from "./draft";
import { problemText } from "./RouteEditor";
import { dayName, hoursInWords } from "./words";

const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone")];

/** Hours of some days, at some place. */
export function HoursField({
  hours,
  place,
  problems,
  onChange,
  onRemove,
}: {
  hours: Hours;
  place: string;
  problems: readonly RouteProblem[];
  onChange: (hours: Hours) => void;
  onRemove: () => void;
}) {
  const { t } = useLingui();
  const zones = useId();
  const change = (patch: Partial<Hours>) => onChange({ ...hours, ...patch });
  const toggle = (day: Hours["days"][number]) => {
    const days = EVERY_DAY.filter((other) => (other === day) !== hours.days.includes(other));
    if (days.length > 0) change({ days });
  };
  return (
    <div role="group" aria-label={hoursInWords(hours)} className="flex flex-wrap items-start gap-x-3 gap-y-2">
      <div className="flex gap-1 pt-6">
        {EVERY_DAY.map((day) => (
          <button
            key={day}
            type="button"
            aria-pressed={hours.days.includes(day)}
            className={clsx(
              "min-h-9 min-w-9 rounded border px-1 text-sm",
              hours.days.includes(day) ? "border-ember bg-selected" : "border-line text-muted hover:bg-hover",
            )}
            onClick={() => toggle(day)}
          >
            {dayName(day)}
          </button>
        ))}
      </div>
      <TextField
        className="w-32"
        label={t`From`}
        type="time"
        value={hours.start}
        error={problemText(problems, `${place}.start`)}
        onChange={(event) => event.target.value && change({ start: event.target.value })}
      />
      <TextField
        className="w-32"
        label={t`To`}
        type="time"
        hint={hours.end <= hours.start && hours.end !== "00:00" ? t`on the next day` : undefined}
        value={hours.end}
        error={problemText(problems, `${place}.end`)}
        onChange={(event) => event.target.value && change({ end: event.target.value })}
      />
      <TextField
        className="w-44"
        label={t`Time of`}
        list={zones}
        spellCheck={false}
        value={hours.zone}
        error={problemText(problems, `${place}.zone`)}
        onChange={(event) => change({ zone: event.target.value })}
      />
      <datalist id={zones}>
        {ZONES.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <div className="pt-6">
        <IconButton label={t`Remove these hours`} tip="end" icon={<X size={16} />} onClick={onRemove} />
      </div>
    </div>
  );
}
