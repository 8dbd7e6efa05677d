import { useLingui } from "@lingui/react/macro";
import { Pencil } from "lucide-react";

import { CopyButton } from "@/ui/CopyButton";
import { IconButton } from "@/ui/IconButton";

import { BranchSwitcher } from "./BranchSwitcher";
import { EditMessage } from "./EditMessage";
import { MessageActions } from "./MessageActions";
import type { MessageRowProps } from "./MessageRow";
import { OwnText } from "./OwnText";

/** What one asked. Editing it begins another branch. */
export function UserMessage({
  message,
  last,
  index,
  count,
  previous,
  next,
  editing,
  onEdit,
}: MessageRowProps) {
  const { t } = useLingui();
  if (editing) return <EditMessage message={message} onDone={() => onEdit(null)} />;
  return (
    <article aria-label={t`You`} className="group flex flex-col items-end">
      <div className="max-w-[85%] rounded border border-line bg-raised px-4 py-2.5 break-words whitespace-pre-wrap">
        <OwnText text={message.text} />
      </div>
      <MessageActions pinned={last || count > 1}>
        <BranchSwitcher message={message} index={index} count={count} previous={previous} next={next} />
        <CopyButton small text={message.text} />
        <IconButton small label={t`Edit`} icon={<Pencil size={15} />} onClick={() => onEdit(message.id)} />
      </MessageActions>
    </article>
  );
}
