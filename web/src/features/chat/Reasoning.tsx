import { Trans } from "@lingui/react/macro";
import { ChevronRight } from "lucide-react";
import { useState } from "react";

import { Markdown } from "./Markdown";

/** What the model thought before it answered, folded away. */
export function Reasoning({ text, thinking }: { text: string; thinking: boolean }) {
  const [open, setOpen] = useState(false);
  if (!text) return null;
  return (
    <details className="mb-3 text-sm text-muted" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="-ml-1 inline-flex min-h-7 list-none items-center gap-1 rounded px-1 hover:text-ink">
        <ChevronRight
          size={15}
          aria-hidden
          className={open ? "rotate-90 transition-transform" : "transition-transform"}
        />
        <span className={thinking ? "breath" : undefined}>
          {thinking ? <Trans>Thinking…</Trans> : <Trans>Thoughts</Trans>}
        </span>
      </summary>
      {open ? (
        <div className="mt-1 border-l border-line pl-4">
          <Markdown text={text} />
        </div>
      ) : null}
    </details>
  );
}
