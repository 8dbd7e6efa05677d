import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";

/** How a target is, as a dot; its name is for those who do not see colours. */
export function StateDot({ state }: { state: string }) {
  const { t } = useLingui();
  const names: Record<string, string> = {
    ready: t`ready`,
    resting: t`resting after failures`,
    waiting: t`resting until somebody tries it`,
    probing: t`being tried again`,
    missing: t`not here now`,
  };
  if (!state) return null;
  return (
    <span
      role="img"
      aria-label={names[state] ?? state}
      title={names[state] ?? state}
      className={clsx("size-2 shrink-0 rounded-full", {
        "bg-good": state === "ready",
        "bg-danger": state === "resting",
        "bg-ember": state === "waiting" || state === "probing",
        "border border-edge": state === "missing",
      })}
    />
  );
}
