import { Trans } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { ApiError } from "@/api/error";
import type { ConversationSettings } from "@/api/types";
import { useMe } from "@/features/accounts/session";
import {
  refreshConversation,
  useChangeConversation,
  useConversation,
} from "@/features/conversations/queries";
import { path } from "@/features/conversations/tree";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";
import { toastError } from "@/ui/toasts";

import { send, stop } from "./actions";
import { Announcer } from "./Announcer";
import { ChatHeader } from "./ChatHeader";
import { Composer } from "./Composer";
import { useDefaultModel } from "./defaults";
import { toMarkdown } from "./export";
import { Thread } from "./Thread";
import { useAnswers } from "./useAnswers";

function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** `/c/:id`: one conversation. */
export function ConversationPage() {
  const { id } = useParams({ from: "/frame/c/$id" });
  const me = useMe();
  const conversation = useConversation(id);
  const fallback = useDefaultModel();
  const change = useChangeConversation();
  const { data } = conversation;
  useAnswers(data);
  const [editing, setEditing] = useState<string | null>(null);

  const steps = useMemo(() => (data ? path(data.messages, data.leaf_id) : []), [data]);
  const last = steps.at(-1)?.message;
  const writing = last?.status === "streaming" ? last : null;
  const lastOwn = steps.findLast(({ message }) => message.role === "user")?.message;
  const model = data?.settings.model ?? fallback.data ?? null;

  const onSettings = (settings: ConversationSettings) =>
    change.mutate({ id, settings }, { onError: toastError });
  const onSend = async (content: string) => {
    try {
      await send(id, { content, parentId: last?.id ?? null, model: null });
      return true;
    } catch (error) {
      toastError(error);
      if (isGone(error)) void refreshConversation(id); // it may have been deleted elsewhere
      return false;
    }
  };

  const gone = isGone(conversation.error);
  if (conversation.isError && (gone || !data)) {
    return (
      <div className="mx-auto max-w-measure px-4 pt-16">
        <ErrorState
          error={conversation.error}
          {...(gone ? {} : { retry: () => void conversation.refetch() })}
        >
          <Link to="/" className="inline-flex min-h-10 items-center text-ember underline underline-offset-3">
            <Trans>Start a new chat</Trans>
          </Link>
        </ErrorState>
      </div>
    );
  }
  return (
    <div className="flex h-full flex-col">
      <ChatHeader
        model={model}
        title={data?.title ?? ""}
        settings={data?.settings ?? {}}
        onSettings={onSettings}
        markdown={() => toMarkdown(data?.title ?? "", steps)}
      />
      {data ? (
        <Thread key={id} steps={steps} editing={editing} onEdit={setEditing} />
      ) : (
        <Skeleton lines={6} className="mx-auto w-full max-w-measure flex-1 px-4 pt-12" />
      )}
      <Announcer runId={writing?.run_id ?? null} />
      <Composer
        key={`composer ${id}`}
        draftKey={`${me.id}.${id}`}
        autoFocus
        onSend={onSend}
        {...(lastOwn ? { onEditLast: () => setEditing(lastOwn.id) } : {})}
        {...(writing ? { onStop: () => void stop(writing).catch(toastError) } : {})}
      />
    </div>
  );
}
