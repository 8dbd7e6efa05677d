import { useEffect } from "react";

import type { ConversationDetail } from "@/api/types";
import { refreshConversation, refreshList } from "@/features/conversations/queries";

import { followAnswer, forgetRun } from "./live";

/** Watches every answer of the conversation that is being written, and loads it once it is whole. */
export function useAnswers(conversation: ConversationDetail | undefined): void {
  const id = conversation?.id;
  const running = (conversation?.messages ?? [])
    .flatMap((message) => (message.status === "streaming" && message.run_id ? [message.run_id] : []))
    .join(" ");
  useEffect(() => {
    if (!id || !running) return;
    const controller = new AbortController();
    const reload = async (runId: string) => {
      await refreshConversation(id);
      forgetRun(runId);
      void refreshList();
    };
    for (const runId of running.split(" ")) {
      followAnswer(runId, controller.signal, () => void reload(runId)).catch(() => reload(runId));
    }
    return () => controller.abort();
  }, [id, running]);
}
