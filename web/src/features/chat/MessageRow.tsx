import { memo } from "react";

import type { Message } from "@/api/types";

import { AssistantMessage } from "./AssistantMessage";
import { UserMessage } from "./UserMessage";

export interface MessageRowProps {
  message: Message;
  last: boolean;
  /** Its place among its alternatives, and how many there are. */
  index: number;
  count: number;
  previous: string | null;
  next: string | null;
  editing: boolean;
  onEdit: (id: string | null) => void;
}

/** One message of the thread; drawn again only when something of its own changes. */
export const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const { message } = props;
  return (
    <div className="py-3" data-message={message.id} data-role={message.role} data-status={message.status}>
      {message.role === "user" ? <UserMessage {...props} /> : <AssistantMessage {...props} />}
    </div>
  );
});
