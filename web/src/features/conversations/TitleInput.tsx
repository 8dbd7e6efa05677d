import { useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { Conversation } from "@/api/types";
import { isComposing } from "@/ui/keys";
import { toastError } from "@/ui/toasts";

import { useChangeConversation } from "./queries";

/** A conversation's title while it is renamed: Enter keeps, Escape drops, leaving keeps. */
export function TitleInput({ conversation, onDone }: { conversation: Conversation; onDone: () => void }) {
  const { t } = useLingui();
  const [title, setTitle] = useState(conversation.title);
  const change = useChangeConversation();
  const keep = () => {
    const trimmed = title.trim();
    if (trimmed && trimmed !== conversation.title) {
      change.mutate({ id: conversation.id, title: trimmed }, { onError: toastError });
    }
    onDone();
  };
  return (
    <input
      aria-label={t`Title`}
      maxLength={200}
      value={title}
      ref={(element) => {
        if (element && document.activeElement !== element) element.select();
      }}
      onChange={(event) => setTitle(event.target.value)}
      onBlur={keep}
      onKeyDown={(event) => {
        if (isComposing(event)) return;
        if (event.key === "Enter") keep();
        if (event.key === "Escape") onDone();
        event.stopPropagation();
      }}
      className="h-9 w-full rounded border border-ember bg-raised px-2 text-sm outline-none pointer-coarse:text-[16px]"
    />
  );
}
