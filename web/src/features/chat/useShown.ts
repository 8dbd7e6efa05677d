import { useMemo } from "react";

import type { Message } from "@/api/types";

import type { AnswerNotice } from "./answer";
import { split } from "./blocks";
import { useLive } from "./live";

/** What there is of an answer: of one that is being written, as far as it has come. */
export interface Shown {
  writing: boolean;
  /** Whether news of it come in. */
  connected: boolean;
  model: string | null;
  notices: readonly AnswerNotice[];
  reasoning: string;
  done: readonly string[];
  tail: string;
}

export function useShown(message: Message): Shown {
  const writing = message.status === "streaming";
  const live = useLive((state) => (writing && message.run_id ? state.runs[message.run_id] : undefined));
  const known = useMemo(() => split(message.text), [message.text]);
  // A continued answer is sent from its beginning; until it has caught up, what is known of it stays.
  const caughtUp = live && live.answer.text.length >= message.text.length;
  return {
    writing,
    connected: live?.connected ?? true,
    model: live?.answer.model ?? message.model,
    notices: live?.answer.notices ?? message.notices,
    reasoning: live?.answer.reasoning ?? message.reasoning,
    done: caughtUp ? live.blocks.done : known,
    tail: caughtUp ? live.blocks.tail : "",
  };
}
