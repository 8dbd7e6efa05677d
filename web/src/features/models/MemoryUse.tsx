import { Trans, useLingui } from "@lingui/react/macro";

import { bytes } from "@/i18n/format";
import { Meter } from "@/ui/Meter";

import { useEngine } from "./queries";

/** The memory that loaded models take, against what they may. */
export function MemoryUse() {
  const { t } = useLingui();
  const engine = useEngine();
  if (!engine.data) return null;
  const { memory_used: used, memory_budget: budget, processes } = engine.data;
  const rest = Math.max(0, used - processes.reduce((sum, { memory }) => sum + memory, 0));
  const looks = ["ember", "ink", "muted"] as const;
  return (
    <div className="flex flex-col gap-2">
      <p className="text-sm text-muted">
        <Trans>
          Memory for models: <span className="font-medium text-ink">{bytes(used)}</span> of {bytes(budget)}{" "}
          used
        </Trans>
      </p>
      <Meter
        label={t`Memory for models`}
        total={budget}
        parts={[
          ...processes.map(({ name, memory }, index) => ({
            value: memory,
            label: `${name}: ${bytes(memory)}`,
            look: looks[index % looks.length] ?? "ember",
          })),
          ...(rest > 0 ? [{ value: rest, label: bytes(rest), look: "muted" as const }] : []),
        ]}
      />
    </div>
  );
}
