import { useLingui } from "@lingui/react/macro";

import { useLive } from "./live";

/** Reads a growing answer out, block by block: each once, when nothing can change it any more. */
export function Announcer({ runId }: { runId: string | null }) {
  const { t } = useLingui();
  const block = useLive((state) => (runId ? (state.runs[runId]?.blocks.done.at(-1) ?? "") : null));
  return (
    <div aria-live="polite" className="sr-only">
      {block === null ? "" : block === "" ? t`The answer is being written.` : block}
    </div>
  );
}
