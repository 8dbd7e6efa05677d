import { useLingui } from "@lingui/react/macro";
import { useNavigate } from "@tanstack/react-router";
import { Settings2, SquarePen } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import type { ConversationSettings } from "@/api/types";
import { ModelPicker } from "@/features/models/ModelPicker";
import { MenuButton } from "@/shell/MenuButton";
import { useTitle } from "@/shell/useTitle";
import { CopyButton } from "@/ui/CopyButton";
import { Drawer } from "@/ui/Drawer";
import { IconButton } from "@/ui/IconButton";

const ChatSettings = lazy(() =>
  import("./ChatSettings").then(({ ChatSettings }) => ({ default: ChatSettings })),
);

export interface ChatHeaderProps {
  model: string | null;
  /** Of the conversation; absent where there is none yet. */
  title?: string;
  settings: ConversationSettings;
  onSettings: (change: ConversationSettings) => void;
  /** The conversation as Markdown, if there is anything to copy. */
  markdown?: () => string;
}

/** Above the chat: who answers, and how. */
export function ChatHeader({ model, title, settings, onSettings, markdown }: ChatHeaderProps) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  useTitle(title === undefined ? t`Chat` : title || t`New chat`);
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 px-4">
      <MenuButton />
      <ModelPicker model={model} onPick={(name) => onSettings({ model: name })} />
      {title === undefined ? (
        <span className="flex-1 max-lg:hidden" />
      ) : (
        <h1 className="min-w-0 flex-1 truncate px-3 text-center text-sm text-muted max-lg:sr-only">
          {title || t`New chat`}
        </h1>
      )}
      <span className="flex-1 lg:hidden" />
      {markdown ? <CopyButton label={t`Copy as Markdown`} text={markdown} tip="end" /> : null}
      <IconButton
        label={t`Chat settings`}
        tip="end"
        icon={<Settings2 size={18} />}
        onClick={() => setOpen(true)}
      />
      <IconButton
        className="md:hidden"
        label={t`New chat`}
        tip="end"
        icon={<SquarePen size={18} />}
        onClick={() => void navigate({ to: "/" })}
      />
      <Drawer side="end" open={open} onClose={() => setOpen(false)} label={t`Chat settings`}>
        <Suspense>
          <ChatSettings settings={settings} onChange={onSettings} onClose={() => setOpen(false)} />
        </Suspense>
      </Drawer>
    </header>
  );
}
