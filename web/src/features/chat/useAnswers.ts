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
    const over = new Set<string>();
    const reload = async (runId: string) => {
      over.add(runId);
      await refreshConversation(id);
      void refreshList();
    };
    for (const runId of running.split(" ")) {
      followAnswer(runId, controller.signal, () => void reload(runId)).catch(() => reload(runId));
    }
    return () => {
      controller.abort();
      // Not sooner: until the page has drawn the answer that is whole, this is what it shows.
      over.forEach(forgetRun);
    };
  }, [id, running]);
}
