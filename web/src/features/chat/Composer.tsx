import { Trans, useLingui } from "@lingui/react/macro";
import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";

import { IconButton } from "@/ui/IconButton";
import { isComposing, isSend, isTouch } from "@/ui/keys";

import { readDraft, writeDraft } from "./drafts";

export interface ComposerProps {
  /** Under which name unsent text is kept in this tab; no two users share one. */
  draftKey: string;
  /** Text to put in, as when an example was chosen. */
  prefill?: string;
  busy?: boolean;
  autoFocus?: boolean;
  /** Returns whether the text was taken; otherwise it stays. */
  onSend: (text: string) => Promise<boolean>;
  /** Set while an answer is written. */
  onStop?: () => void;
  /** Set while there is a message of one's own to edit. */
  onEditLast?: () => void;
}

/** Where one writes. Enter sends, Shift+Enter begins a new line (on touch, Enter does); an input method's never sends. */
export function Composer({
  draftKey,
  prefill = "",
  busy = false,
  autoFocus = false,
  onSend,
  onStop,
  onEditLast,
}: ComposerProps) {
  const { t } = useLingui();
  const area = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => readDraft(draftKey));
  const [taken, setTaken] = useState(prefill);
  if (prefill !== taken) {
    setTaken(prefill);
    setText(prefill);
  }

  useEffect(() => {
    if (prefill) area.current?.focus();
  }, [prefill]);
  useEffect(() => {
    // A phone's keyboard would cover half the page.
    if (autoFocus && !isTouch()) area.current?.focus();
  }, [autoFocus]);
  useEffect(() => writeDraft(draftKey, text), [draftKey, text]);

  const ready = text.trim() !== "" && !busy && !onStop;
  const send = async () => {
    if (!ready) return;
    const sent = text;
    setText("");
    if (!(await onSend(sent))) setText((now) => now || sent);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (isComposing(event)) return;
    if (isSend(event)) {
      event.preventDefault();
      void send();
    } else if (event.key === "Escape" && onStop) {
      onStop();
    } else if (event.key === "ArrowUp" && text === "" && onEditLast) {
      event.preventDefault();
      onEditLast();
    }
  };

  return (
    <div className="shrink-0 px-4 pt-2 pb-[max(12px,env(safe-area-inset-bottom))]">
      <form
        className="mx-auto flex max-w-[42em] items-end gap-1 rounded border border-edge bg-raised p-1.5 pl-4 transition-colors focus-within:border-ember"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <textarea
          ref={area}
          data-composer
          rows={1}
          aria-label={t`Message`}
          placeholder={t`Write a message…`}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          enterKeyHint={isTouch() ? "enter" : "send"}
          className="field-sizing-content max-h-[40dvh] min-h-9 min-w-0 flex-1 resize-none bg-transparent py-1.5 outline-none pointer-coarse:text-[16px]"
        />
        {onStop ? (
          <IconButton
            key="stop"
            label={t`Stop the answer`}
            tip="above"
            look="ink"
            icon={<Square size={14} fill="currentColor" />}
            onClick={() => {
              area.current?.focus();
              onStop();
            }}
          />
        ) : (
          <IconButton
            key="send"
            type="submit"
            label={t`Send`}
            tip="above"
            disabled={!ready}
            look="ember"
            icon={<ArrowUp size={18} />}
          />
        )}
      </form>
      <p className="mx-auto mt-1.5 max-w-[42em] text-center text-xs text-muted max-sm:hidden">
        <Trans>Models make mistakes. Check what matters.</Trans>
      </p>
    </div>
  );
}
