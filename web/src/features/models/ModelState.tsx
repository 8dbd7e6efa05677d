import { Plural, useLingui } from "@lingui/react/macro";
import clsx from "clsx";

import type { ModelInfo } from "@/api/types";
import { bytes } from "@/i18n/format";

/** Whether a model is in memory, and how much of it. */
export function ModelState({ model, loading }: { model: ModelInfo; loading: boolean }) {
  const { t } = useLingui();
  const words = () => {
    if (loading) return t`loading`;
    switch (model.state) {
      case "ready":
        return t`loaded, ${bytes(model.memory)}`;
      case "loading":
        return t`loading`;
      case "waiting":
        return t`waiting for memory`;
      case "stopping":
        return t`unloading`;
      default:
        return null;
    }
  };
  const state = words();
  if (!state) return null;
  return (
    <span className="mr-2 flex items-center gap-2 text-sm text-muted">
      <span
        aria-hidden
        className={clsx("size-2 rounded-full", model.state === "ready" ? "bg-good" : "breath bg-ember")}
      />
      {state}
      {model.busy > 0 ? (
        <span>
          · <Plural value={model.busy} one="# answer" other="# answers" />
        </span>
      ) : null}
    </span>
  );
}
