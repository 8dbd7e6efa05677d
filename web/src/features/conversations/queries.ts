import {
  type InfiniteData,
  queryOptions,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type {
  Conversation,
  ConversationDetail,
  ConversationPage,
  ConversationSettings,
  Message,
} from "@/api/types";

import { onTold, tellTabs } from "./tabs";

const LIST = ["conversations"];
const PAGE = 100;

export const conversationKey = (id: string) => ["conversation", id];
const at = (id: string) => ({ path: { conversation_id: id } });

/** The caller's conversations, latest first, page by page; `q` searches their titles. */
export function useConversations(q: string) {
  return useInfiniteQuery({
    queryKey: [...LIST, q],
    queryFn: ({ pageParam, signal }) =>
      ask(
        api.GET("/api/v1/conversations", {
          params: { query: { q, limit: PAGE, ...(pageParam ? { before: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: (previous) => previous,
  });
}

const conversationQuery = (id: string) =>
  queryOptions({
    queryKey: conversationKey(id),
    queryFn: ({ signal }) =>
      ask(api.GET("/api/v1/conversations/{conversation_id}", { params: at(id), signal })),
  });

/** Ask for a conversation before the page that shows it is drawn; the page tells what goes wrong. */
export function loadConversation(id: string): void {
  queryClient.query(conversationQuery(id)).catch(() => undefined);
}

/** A conversation with its whole tree. */
export function useConversation(id: string) {
  return useQuery(conversationQuery(id));
}

export function createConversation(settings: ConversationSettings): Promise<Conversation> {
  return ask(api.POST("/api/v1/conversations", { body: { settings } }));
}

export interface Change {
  id: string;
  title?: string;
  settings?: ConversationSettings;
  leaf_id?: string;
}

/** Rename, change settings, or switch branch; the page shows it at once and takes it back if the server refuses. */
export function useChangeConversation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: Change) =>
      ask(api.PATCH("/api/v1/conversations/{conversation_id}", { params: at(id), body })),
    onMutate: ({ id, title, leaf_id }) => {
      if (title !== undefined) patchListed(id, { title });
      if (title !== undefined || leaf_id !== undefined) {
        patchDetail(id, {
          ...(title !== undefined ? { title } : {}),
          ...(leaf_id !== undefined ? { leaf_id } : {}),
        });
      }
    },
    onSuccess: (summary) => {
      patchListed(summary.id, summary);
      patchDetail(summary.id, summary);
      tellTabs(summary.id);
    },
    onError: (_, { id }) => {
      void client.invalidateQueries({ queryKey: LIST });
      void client.invalidateQueries({ queryKey: conversationKey(id) });
    },
  });
}

export async function deleteConversation(id: string): Promise<void> {
  await ask(api.DELETE("/api/v1/conversations/{conversation_id}", { params: at(id) }));
  queryClient.removeQueries({ queryKey: conversationKey(id) });
  tellTabs(id);
  await refreshList();
}

export function refreshList(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: LIST });
}

export function refreshConversation(id: string): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: conversationKey(id) });
}

function patchListed(id: string, change: Partial<Conversation>): void {
  queryClient.setQueriesData<InfiniteData<ConversationPage>>(
    { queryKey: LIST },
    (data) =>
      data && {
        ...data,
        pages: data.pages.map((page) => ({
          ...page,
          conversations: page.conversations.map((item) => (item.id === id ? { ...item, ...change } : item)),
        })),
      },
  );
}

export function patchDetail(id: string, change: Partial<ConversationDetail>): void {
  queryClient.setQueryData<ConversationDetail>(conversationKey(id), (data) => data && { ...data, ...change });
}

/** Put new or changed messages into what is known of a conversation, and show the branch of the last of them. */
export function putMessages(id: string, messages: readonly Message[]): void {
  queryClient.setQueryData<ConversationDetail>(conversationKey(id), (data) => {
    if (!data) return data;
    const changed = new Map(messages.map((message) => [message.id, message]));
    const kept = data.messages.map((message) => changed.get(message.id) ?? message);
    const known = new Set(data.messages.map((message) => message.id));
    const added = messages.filter((message) => !known.has(message.id));
    return { ...data, messages: [...kept, ...added], leaf_id: messages.at(-1)?.id ?? data.leaf_id };
  });
  tellTabs(id);
}

onTold((id) => {
  void refreshList();
  void refreshConversation(id);
});
