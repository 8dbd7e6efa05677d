import { Trans, useLingui } from "@lingui/react/macro";

import type { RouteInfo } from "@/api/types";
import { useModels } from "@/features/models/queries";
import { Section } from "@/shell/Section";
import { Notice } from "@/ui/Notice";
import { moved } from "@/ui/places";
import { Sortable } from "@/ui/Sortable";

import { AddTarget } from "./AddTarget";
import { newTarget, problemsWithin, type TargetDraft, weighs } from "./draft";
import { useHealth } from "./queries";
import type { PartProps } from "./RouteEditor";
import { TargetRow } from "./TargetRow";
import { problemInWords } from "./words";

/** Whom the route asks, in the order that counts. */
export function TargetsPart({
  draft,
  change,
  problems,
  currency,
  routes,
}: PartProps & { routes: readonly RouteInfo[] }) {
  const { t } = useLingui();
  const models = useModels();
  const health = useHealth();
  const { targets } = draft;
  const shares = weighs(draft);
  const whole = targets.reduce((sum, { weight }) => sum + weight, 0);
  const slowest = Math.max(
    0,
    ...(health.data ?? [])
      .filter(({ model }) => targets.some((target) => target.model === model))
      .map(({ streamed_ms, whole_ms }) => streamed_ms || whole_ms),
  );
  const put = (id: string, patch: Partial<TargetDraft>) =>
    change({ targets: targets.map((target) => (target.id === id ? { ...target, ...patch } : target)) });
  const move = (from: number, to: number) => change({ targets: moved(targets, from, to) });
  const ordered =
    draft.strategy === "ordered" || (draft.strategy === "sticky" && draft.sticky.then === "ordered");
  const ofList = problems.filter(({ field }) => field === "targets");
  return (
    <Section
      title={t`Who is asked`}
      intro={
        ordered
          ? t`From top to bottom. Drag to change the order.`
          : t`Who comes first is decided below; where that leaves a tie, the order counts.`
      }
    >
      {targets.length > 0 ? (
        <Sortable
          items={targets}
          label={t`Models that are asked`}
          nameOf={({ model }) => model}
          onMove={move}
        >
          {(target, handle, index) => (
            <TargetRow
              target={target}
              handle={handle}
              index={index}
              count={targets.length}
              ordered={ordered}
              share={shares ? (whole > 0 ? target.weight / whole : 0) : null}
              model={models.data?.find(({ name }) => name === target.model)}
              health={health.data?.find(({ model }) => model === target.model)}
              slowest={slowest}
              problems={problemsWithin(problems, `targets[${index}]`)}
              currency={currency}
              onChange={(patch) => put(target.id, patch)}
              onMove={(to) => move(index, to)}
              onRemove={() => change({ targets: targets.filter(({ id }) => id !== target.id) })}
            />
          )}
        </Sortable>
      ) : (
        <p className="text-muted">
          <Trans>Nobody yet. Add at least one model.</Trans>
        </p>
      )}
      {ofList.map((problem) => (
        <Notice key={problem.message} look={problem.level}>
          {problemInWords(problem)}
        </Notice>
      ))}
      <AddTarget
        without={[draft.name.trim(), ...targets.map(({ model }) => model)]}
        routes={routes}
        onAdd={(model) => change({ targets: [...targets, newTarget(model)] })}
      />
    </Section>
  );
}
