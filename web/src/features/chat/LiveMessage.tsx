import { useLingui } from "@lingui/react/macro";

import type { Message } from "@/api/types";

import { MarkdownBlocks } from "./Markdown";
import { useLive } from "./live";
import { Notices } from "./Notices";
import { Reasoning } from "./Reasoning";
import { split } from "./blocks";
import { Waiting } from "./Waiting";

/** An answer that is being written. Of the whole page, only this is drawn anew with each piece. */
export function LiveMessage({ message }: { message: Message }) {
  const { t } = useLingui();
  const live = useLive((state) => (message.run_id ? state.runs[message.run_id] : undefined));
  const answer = live?.answer;
  // A continued answer is sent from its beginning; until it has caught up, what is known of it stays.
  const behind = !live || live.answer.text.length < message.text.length;
  const text = behind ? message.text : live.answer.text;
  const reasoning = answer?.reasoning ?? message.reasoning;
  return (
    <article aria-label={message.model ?? t`Answer`} aria-busy className="group">
      <Notices notices={answer?.notices ?? message.notices} />
      <Reasoning text={reasoning} thinking={text === ""} />
      {behind ? (
        <MarkdownBlocks done={split(message.text)} tail="" growing />
      ) : (
        <MarkdownBlocks done={live.blocks.done} tail={live.blocks.tail} growing />
      )}
      {text === "" && reasoning === "" ? <Waiting model={answer?.model ?? message.model} /> : null}
      <p role="status" className="mt-2 min-h-7 text-sm text-muted">
        {live && !live.connected ? t`The connection broke; it is being restored. Nothing is lost.` : null}
      </p>
    </article>
  );
}
