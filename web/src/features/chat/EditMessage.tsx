import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { Message } from "@/api/types";
import { Button } from "@/ui/Button";
import { isComposing, isSend } from "@/ui/keys";
import { toastError } from "@/ui/toasts";

import { send } from "./actions";

/** A question while it is edited; sending it keeps the old one as another version. */
export function EditMessage({ message, onDone }: { message: Message; onDone: () => void }) {
  const { t } = useLingui();
  const [text, setText] = useState(message.text);
  const [busy, setBusy] = useState(false);
  const resend = async () => {
    if (!text.trim() || busy) return;
    setBusy(true);
    try {
      await send(message.conversation_id, { content: text, parentId: message.parent_id, model: null });
      onDone();
    } catch (error) {
      toastError(error);
      setBusy(false);
    }
  };
  return (
    <form
      className="rounded border border-edge bg-raised p-2 focus-within:border-ember"
      onSubmit={(event) => {
        event.preventDefault();
        void resend();
      }}
    >
      <textarea
        aria-label={t`Edit your message`}
        value={text}
        autoFocus
        onFocus={({ target }) => target.setSelectionRange(target.value.length, target.value.length)}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (isComposing(event)) return;
          if (event.key === "Escape") onDone();
          if (isSend(event)) {
            event.preventDefault();
            void resend();
          }
        }}
        className="field-sizing-content max-h-[50dvh] min-h-16 w-full resize-none bg-transparent px-2 py-1 outline-none pointer-coarse:text-[16px]"
      />
      <div className="flex justify-end gap-2">
        <Button small look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button small look="primary" type="submit" busy={busy} disabled={!text.trim()}>
          <Trans>Send</Trans>
        </Button>
      </div>
    </form>
  );
}
