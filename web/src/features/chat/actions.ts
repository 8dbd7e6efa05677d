import { api, ask } from "@/api/client";
import type { ConversationSettings, Message } from "@/api/types";
import {
  createConversation,
  deleteConversation,
  putMessages,
  refreshConversation,
  refreshList,
} from "@/features/conversations/queries";

const at = (conversation_id: string, message_id: string) => ({ path: { conversation_id, message_id } });

export interface Question {
  content: string;
  /** The message it follows; null begins the conversation. */
  parentId: string | null;
  model: string | null;
}

/** Send a question; the answer comes by its run. */
export async function send(conversationId: string, { content, parentId, model }: Question): Promise<void> {
  const sent = await ask(
    api.POST("/api/v1/conversations/{conversation_id}/messages", {
      params: { path: { conversation_id: conversationId } },
      body: { content, parent_id: parentId, ...(model ? { model } : {}) },
    }),
  );
  putMessages(conversationId, [sent.question, sent.answer]);
  void refreshList();
}

/** Begin a conversation with a question; returns its id. */
export async function begin(content: string, settings: ConversationSettings): Promise<string> {
  const { id } = await createConversation(settings);
  try {
    await send(id, { content, parentId: null, model: null });
  } catch (error) {
    await deleteConversation(id).catch(() => undefined); // an empty conversation is of no use to anybody
    throw error;
  }
  return id;
}

/** Have an answer given anew, beside the one there is. */
export async function regenerate(message: Message, model: string | null = null): Promise<void> {
  const { answer } = await ask(
    api.POST("/api/v1/conversations/{conversation_id}/messages/{message_id}/regenerate", {
      params: at(message.conversation_id, message.id),
      body: { ...(model ? { model } : {}) },
    }),
  );
  putMessages(message.conversation_id, [answer]);
}

/** Go on with an answer that was cut. */
export async function goOn(message: Message): Promise<void> {
  const { answer } = await ask(
    api.POST("/api/v1/conversations/{conversation_id}/messages/{message_id}/continue", {
      params: at(message.conversation_id, message.id),
    }),
  );
  putMessages(message.conversation_id, [answer]);
}

/** Stop an answer; what there is of it stays. */
export async function stop(message: Message): Promise<void> {
  await ask(
    api.POST("/api/v1/conversations/{conversation_id}/messages/{message_id}/stop", {
      params: at(message.conversation_id, message.id),
    }),
  );
  await refreshConversation(message.conversation_id);
}
