import { Trans, useLingui } from "@lingui/react/macro";
import { ArrowDown } from "lucide-react";
import { useEffect, useState } from "react";
import { Virtualizer } from "virtua";

import type { Message } from "@/api/types";
import type { Step } from "@/features/conversations/tree";
import { Button } from "@/ui/Button";

import { typicalHeight } from "./heights";
import { MessageRow } from "./MessageRow";
import { useStickToEnd } from "./useStickToEnd";

export interface ThreadProps {
  steps: readonly Step<Message>[];
  /** The message of one's own that is being edited. */
  editing: string | null;
  onEdit: (id: string | null) => void;
}

/** The messages of the branch that is shown. Only those near the view exist in the page. */
export function Thread({ steps, editing, onEdit }: ThreadProps) {
  const { t } = useLingui();
  const { scroller, content, virtualizer, atEnd, toEnd, letGo } = useStickToEnd(steps.length);
  const [itemSize] = useState(() => typicalHeight(steps.map(({ message }) => message)));
  const editingAt = steps.findIndex(({ message }) => message.id === editing);
  const lastAt = steps.length - 1;
  useEffect(() => {
    if (editingAt < 0) return;
    letGo();
    virtualizer.current?.scrollToIndex(editingAt, { align: "nearest" });
    // Where the message stands may change later; it is brought into view once.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [editing]);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="region"
        aria-label={t`Messages`}
        tabIndex={0}
        className="h-full overflow-y-auto [overflow-anchor:none] focus-visible:-outline-offset-2"
      >
        <div ref={content} className="mx-auto max-w-[42em] px-4 pt-4 pb-10">
          <Virtualizer
            ref={virtualizer}
            scrollRef={scroller}
            startMargin={16}
            itemSize={itemSize}
            data={steps}
            keepMounted={editingAt < 0 ? [] : [editingAt]}
          >
            {({ message, siblings, index }, at) => (
              <MessageRow
                key={message.id}
                message={message}
                last={at === lastAt}
                index={index}
                count={siblings.length}
                previous={siblings[index - 1] ?? null}
                next={siblings[index + 1] ?? null}
                editing={message.id === editing}
                onEdit={onEdit}
              />
            )}
          </Virtualizer>
        </div>
      </div>
      {atEnd ? null : (
        <Button small onClick={toEnd} className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-float">
          <ArrowDown size={14} aria-hidden />
          <Trans>Jump to latest</Trans>
        </Button>
      )}
    </div>
  );
}
