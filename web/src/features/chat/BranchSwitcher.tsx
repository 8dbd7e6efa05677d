import { useLingui } from "@lingui/react/macro";
import { useQueryClient } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight } from "lucide-react";

import type { ConversationDetail, Message } from "@/api/types";
import { conversationKey, useChangeConversation } from "@/features/conversations/queries";
import { newestLeaf } from "@/features/conversations/tree";
import { IconButton } from "@/ui/IconButton";
import { toastError } from "@/ui/toasts";

export interface BranchSwitcherProps {
  message: Message;
  index: number;
  count: number;
  previous: string | null;
  next: string | null;
}

/** `‹ 2/3 ›`: the alternatives of a message. */
export function BranchSwitcher({ message, index, count, previous, next }: BranchSwitcherProps) {
  const { t } = useLingui();
  const client = useQueryClient();
  const change = useChangeConversation();
  if (count < 2) return null;
  const id = message.conversation_id;
  const show = (sibling: string | null) => {
    const detail = client.getQueryData<ConversationDetail>(conversationKey(id));
    if (!detail || !sibling) return;
    change.mutate({ id, leaf_id: newestLeaf(detail.messages, sibling) ?? sibling }, { onError: toastError });
  };
  const place = `${index + 1}/${count}`;
  return (
    <span
      role="group"
      aria-label={t`Version ${place}`}
      className="inline-flex items-center text-sm text-muted"
    >
      <IconButton
        small
        label={t`Previous version`}
        icon={<ChevronLeft size={16} />}
        disabled={!previous}
        onClick={() => show(previous)}
      />
      <span className="tabular-nums">{place}</span>
      <IconButton
        small
        label={t`Next version`}
        icon={<ChevronRight size={16} />}
        disabled={!next}
        onClick={() => show(next)}
      />
    </span>
  );
}
