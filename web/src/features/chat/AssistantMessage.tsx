import { useLingui } from "@lingui/react/macro";
import { RefreshCw } from "lucide-react";

import { CopyButton } from "@/ui/CopyButton";
import { IconButton } from "@/ui/IconButton";
import { toastError } from "@/ui/toasts";

import { regenerate } from "./actions";
import { AnswerEnd } from "./AnswerEnd";
import { BranchSwitcher } from "./BranchSwitcher";
import { Markdown } from "./Markdown";
import { MessageActions } from "./MessageActions";
import type { MessageRowProps } from "./MessageRow";
import { Notices } from "./Notices";
import { Reasoning } from "./Reasoning";
import { UsageLine } from "./UsageLine";

/** An answer that is whole, or as much of it as there is. */
export function AssistantMessage({ message, last, index, count, previous, next }: MessageRowProps) {
  const { t } = useLingui();
  return (
    <article aria-label={message.model ?? t`Answer`} className="group">
      <Notices notices={message.notices} />
      <Reasoning text={message.reasoning} thinking={false} />
      <Markdown text={message.text} />
      <AnswerEnd message={message} last={last} />
      <MessageActions pinned={last || count > 1}>
        <BranchSwitcher message={message} index={index} count={count} previous={previous} next={next} />
        {message.text ? <CopyButton small text={message.text} /> : null}
        <IconButton
          small
          label={t`Answer again`}
          icon={<RefreshCw size={15} />}
          onClick={() => void regenerate(message).catch(toastError)}
        />
        <UsageLine model={message.model} usage={message.usage} />
      </MessageActions>
    </article>
  );
}
