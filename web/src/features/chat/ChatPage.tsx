import { useLingui } from "@lingui/react/macro";
import { useState } from "react";
import { useNavigate } from "@tanstack/react-router";

import type { ConversationSettings } from "@/api/types";
import { useMe } from "@/features/accounts/session";
import { toast, toastError } from "@/ui/toasts";

import { begin } from "./actions";
import { ChatHeader } from "./ChatHeader";
import { Composer } from "./Composer";
import { useDefaultModel } from "./defaults";
import { Welcome } from "./Welcome";

/** `/`: a conversation that has not begun. It is made with its first question. */
export function ChatPage() {
  const { t } = useLingui();
  const navigate = useNavigate();
  const me = useMe();
  const fallback = useDefaultModel();
  const [settings, setSettings] = useState<ConversationSettings>({});
  const [draft, setDraft] = useState("");
  const [busy, setBusy] = useState(false);
  const model = settings.model ?? fallback.data ?? null;

  const send = async (content: string) => {
    if (fallback.data === null && !settings.model) {
      toast(t`There is no model to chat with yet.`);
      return false;
    }
    setBusy(true);
    try {
      const id = await begin(content, settings);
      await navigate({ to: "/c/$id", params: { id } });
      return true;
    } catch (error) {
      toastError(error);
      return false;
    } finally {
      setBusy(false);
    }
  };

  return (
    <div className="flex h-full flex-col">
      <ChatHeader
        model={model}
        settings={settings}
        onSettings={(change) => setSettings({ ...settings, ...change })}
      />
      <div className="min-h-0 flex-1 overflow-y-auto">
        <Welcome onPrompt={setDraft} />
      </div>
      <Composer draftKey={`${me.id}.new`} prefill={draft} busy={busy} autoFocus onSend={send} />
    </div>
  );
}
