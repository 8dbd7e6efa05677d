import { useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { type LiveAnswer, useLive } from "./live";

/** Reads a growing answer out, each block once: when nothing can change it any more, and the last one at the end. */
export function Announcer({ runId }: { runId: string | null }) {
  const { t } = useLingui();
  const live = useLive((state) => (runId ? state.runs[runId] : undefined));
  const [read, setRead] = useState<Read>({ run: null, blocks: 0, text: "" });
  // What was read last stays, so that it is not cut off when the answer leaves for the conversation.
  const next = runId ? readOn(read, runId, live, t`The answer is being written.`) : read;
  if (next !== read) setRead(next);
  return (
    <div aria-live="polite" className="sr-only">
      {next.text}
    </div>
  );
}

/** How far a run has been read out, and what is being read. */
export interface Read {
  run: string | null;
  blocks: number;
  text: string;
}

/** What to read next; `read` itself while there is nothing new. */
export function readOn(read: Read, run: string, live: LiveAnswer | undefined, beginning: string): Read {
  const before = read.run === run ? read : { run, blocks: 0, text: beginning };
  if (!live) return before;
  const { done, tail } = live.blocks;
  const whole = live.answer.ended && tail.trim() !== "" ? [...done, tail] : done;
  if (whole.length <= before.blocks) return before;
  return { run, blocks: whole.length, text: spoken(whole.slice(before.blocks).join("\n")) };
}

/** Markdown without the marks that would be read as words. */
function spoken(markdown: string): string {
  return markdown
    .replace(/^\s*[`~]{3,}.*$/gm, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[*_`#|>~]+/g, " ")
    .trim();
}
