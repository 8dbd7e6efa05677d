import { useLingui } from "@lingui/react/macro";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import clsx from "clsx";
import { Ellipsis, Pencil, Trash2 } from "lucide-react";
import { memo, useState } from "react";

import type { Conversation } from "@/api/types";
import { useWindows } from "@/shell/windows";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";

import { deleteWithUndo } from "./deletion";
import { TitleInput } from "./TitleInput";

/** One conversation in the list: opens it, renames it in place, deletes it. */
export const ConversationRow = memo(function ConversationRow({
  conversation,
}: {
  conversation: Conversation;
}) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const close = useWindows((state) => state.close);
  const active = useParams({ strict: false, select: ({ id }) => id === conversation.id });
  const [renaming, setRenaming] = useState(false);
  const title = conversation.title || t`New chat`;

  const remove = () => {
    deleteWithUndo(conversation.id, title);
    if (active) void navigate({ to: "/" });
  };

  if (renaming) return <TitleInput conversation={conversation} onDone={() => setRenaming(false)} />;
  return (
    <div
      className={clsx(
        "group relative flex h-9 items-center rounded",
        active ? "bg-selected" : "hover:bg-hover",
      )}
      onDoubleClick={() => setRenaming(true)}
    >
      <Link
        to="/c/$id"
        params={{ id: conversation.id }}
        onClick={close}
        aria-current={active ? "page" : undefined}
        className={clsx("min-w-0 flex-1 truncate rounded px-2 py-1.5 text-sm", active && "font-medium")}
      >
        {title}
      </Link>
      <Menu
        trigger={
          <IconButton
            small
            tip="none"
            label={t`Rename or delete “${title}”`}
            icon={<Ellipsis size={16} />}
            className={clsx(
              "mr-1 pointer-fine:opacity-0 pointer-fine:group-focus-within:opacity-100",
              "pointer-fine:group-hover:opacity-100 pointer-fine:data-popup-open:opacity-100",
            )}
          />
        }
        entries={[
          {
            id: "rename",
            icon: <Pencil size={16} />,
            name: t`Rename`,
            movesFocus: true,
            run: () => setRenaming(true),
          },
          { id: "delete", icon: <Trash2 size={16} />, name: t`Delete`, danger: true, run: remove },
        ]}
      />
    </div>
  );
});
