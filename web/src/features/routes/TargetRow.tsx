import { Trans, useLingui } from "@lingui/react/macro";
import { ArrowDown, ArrowUp, Ellipsis, SlidersHorizontal, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";

import type { ModelInfo, RouteProblem, TargetHealth } from "@/api/types";
import { Capabilities } from "@/features/models/Capabilities";
import { ModelFacts } from "@/features/models/ModelFacts";
import { number } from "@/i18n/format";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { NumberField } from "@/ui/NumberField";

import type { TargetDraft } from "./draft";
import { HealthLine } from "./HealthLine";
import { TargetSettings } from "./TargetSettings";
import { conditionsInWords, problemInWords, seconds } from "./words";

export interface TargetRowProps {
  target: TargetDraft;
  handle: ReactNode;
  index: number;
  count: number;
  ordered: boolean;
  /** Its part of the whole, 0 to 1; null where the route does not look at weights. */
  share: number | null;
  model: ModelInfo | undefined;
  health: TargetHealth | undefined;
  slowest: number;
  problems: readonly RouteProblem[];
  currency: string;
  onChange: (patch: Partial<TargetDraft>) => void;
  onMove: (to: number) => void;
  onRemove: () => void;
}

/** One target: what it is, how it is now, which calls it takes; its settings open below it. */
export function TargetRow(props: TargetRowProps) {
  const { target, handle, index, count, ordered, share, model, health, slowest, problems, currency } = props;
  const { onChange, onMove, onRemove } = props;
  const { t } = useLingui();
  const [open, setOpen] = useState(false);
  const inside = problems.filter(({ field }) => !/^targets\[\d+\](\.model)?$/.test(field));
  const weightProblem = problems.find(({ field }) => field.endsWith("].weight"));
  const own = problems.filter((problem) => !inside.includes(problem));
  const words = [
    ...conditionsInWords(target.when, currency),
    ...(target.first_byte_timeout === null
      ? []
      : [t`waited for at most ${seconds(target.first_byte_timeout)}`]),
    ...(target.private ? [t`counts as in the house`] : []),
  ];
  return (
    <div className="py-2" data-target={target.model}>
      <div className="flex items-start gap-2">
        {handle}
        {ordered ? (
          <span aria-hidden className="min-w-4 pt-1.5 text-sm text-muted tabular-nums">
            {index + 1}
          </span>
        ) : null}
        <div className="flex min-w-0 flex-1 flex-col gap-0.5 pt-1">
          <p className="flex flex-wrap items-baseline gap-x-2 break-words">
            <span className="font-medium">{target.model}</span>
            {model ? <Capabilities names={model.capabilities} /> : null}
          </p>
          {model ? <ModelFacts model={model} /> : null}
          {health ? <HealthLine health={health} slowest={slowest} /> : null}
          <p className="text-sm">
            {words.length > 0 ? (
              words.join(" · ")
            ) : (
              <span className="text-muted">
                <Trans>takes every call it can answer</Trans>
              </span>
            )}
          </p>
          {share === null ? null : (
            <NumberField
              className="mt-1 w-36"
              label={
                <>
                  <Trans>Share</Trans> <span className="sr-only">{target.model}</span>
                </>
              }
              min={0}
              step="any"
              value={target.weight}
              unit={`${number(share * 100)} %`}
              error={weightProblem && problemInWords(weightProblem)}
              onChange={(weight) => onChange({ weight: weight ?? 0 })}
            />
          )}
          {own.map((problem) => (
            <p
              key={problem.message}
              role="alert"
              className={problem.level === "error" ? "text-sm text-danger" : "text-sm text-ember"}
            >
              {problemInWords(problem)}
            </p>
          ))}
        </div>
        <IconButton
          tip="end"
          label={t`Conditions of ${target.model}`}
          icon={<SlidersHorizontal size={16} />}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        />
        <Menu
          trigger={
            <IconButton tip="none" label={t`More for ${target.model}`} icon={<Ellipsis size={16} />} />
          }
          entries={[
            ...(index > 0
              ? [{ id: "up", icon: <ArrowUp size={16} />, name: t`Move up`, run: () => onMove(index - 1) }]
              : []),
            ...(index < count - 1
              ? [
                  {
                    id: "down",
                    icon: <ArrowDown size={16} />,
                    name: t`Move down`,
                    run: () => onMove(index + 1),
                  },
                ]
              : []),
            { id: "remove", icon: <Trash2 size={16} />, name: t`Remove`, danger: true, run: onRemove },
          ]}
        />
      </div>
      {open || inside.some(({ level }) => level === "error") ? (
        <div className="mt-3 mb-2 ml-2 border-l border-line pl-4 sm:ml-10">
          <TargetSettings
            target={target}
            local={model?.local ?? false}
            place={`targets[${index}]`}
            problems={problems}
            currency={currency}
            onChange={onChange}
          />
        </div>
      ) : null}
    </div>
  );
}
