import { useLingui } from "@lingui/react/macro";
import { RefreshCw } from "lucide-react";

import { CopyButton } from "@/ui/CopyButton";
import { IconButton } from "@/ui/IconButton";
import { toastError } from "@/ui/toasts";

import { regenerate } from "./actions";
import { AnswerEnd } from "./AnswerEnd";
import { BranchSwitcher } from "./BranchSwitcher";
import { MarkdownBlocks } from "./Markdown";
import { MessageActions } from "./MessageActions";
import type { MessageRowProps } from "./MessageRow";
import { Notices } from "./Notices";
import { Reasoning } from "./Reasoning";
import { UsageLine } from "./UsageLine";
import { useShown } from "./useShown";
import { Waiting } from "./Waiting";

/**
 * An answer. Of the whole page, only the one that is being written is drawn anew with each piece; what is drawn of it
 * stays when it is whole.
 */
export function AssistantMessage(props: MessageRowProps) {
  const { message } = props;
  const { t } = useLingui();
  const { writing, connected, model, notices, reasoning, done, tail } = useShown(message);
  const begun = done.length > 0 || tail.trim() !== "";
  return (
    <article aria-label={message.model ?? t`Answer`} aria-busy={writing || undefined} className="group">
      <Notices notices={notices} />
      <Reasoning text={reasoning} thinking={writing && !begun} />
      <MarkdownBlocks done={done} tail={tail} growing={writing} />
      {writing && !begun && reasoning === "" ? <Waiting model={model} /> : null}
      {writing ? (
        <p role="status" className="mt-2 min-h-7 text-sm text-muted">
          {connected ? null : t`The connection broke; it is being restored. Nothing is lost.`}
        </p>
      ) : (
        <Foot {...props} />
      )}
    </article>
  );
}

/** Below an answer that nobody writes on: how it ended, and what one can do with it. */
function Foot({ message, last, index, count, previous, next }: MessageRowProps) {
  const { t } = useLingui();
  return (
    <>
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
    </>
  );
}
