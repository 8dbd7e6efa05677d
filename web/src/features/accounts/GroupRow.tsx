import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Ellipsis, Pencil, Trash2 } from "lucide-react";
import { useState } from "react";

import type { GroupInfo, UserInfo } from "@/api/types";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { GroupForm } from "./GroupForm";
import { useDeleteGroup } from "./people";

export function GroupRow({ group, users }: { group: GroupInfo; users: readonly UserInfo[] }) {
  const { t } = useLingui();
  const [window, setWindow] = useState<"edit" | "delete" | null>(null);
  const remove = useDeleteGroup();
  const close = () => setWindow(null);
  return (
    <li className="flex items-center gap-4 py-3">
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">{group.name}</p>
        <p className="text-sm text-muted">
          <Plural value={group.members.length} _0="no members" one="# member" other="# members" />
        </p>
      </div>
      <Menu
        trigger={
          <IconButton small tip="none" label={t`More for ${group.name}`} icon={<Ellipsis size={16} />} />
        }
        entries={[
          { id: "edit", icon: <Pencil size={16} />, name: t`Edit`, run: () => setWindow("edit") },
          {
            id: "delete",
            icon: <Trash2 size={16} />,
            name: t`Delete`,
            danger: true,
            run: () => setWindow("delete"),
          },
        ]}
      />
      <Dialog open={window === "edit"} onClose={close} title={t`Edit ${group.name}`}>
        <GroupForm group={group} users={users} onDone={close} />
      </Dialog>
      <Confirm
        open={window === "delete"}
        title={t`Delete ${group.name}?`}
        act={t`Delete`}
        busy={remove.isPending}
        onCancel={close}
        onConfirm={() => remove.mutate(group.id, { onError: toastError, onSettled: close })}
      >
        <Trans>Its members stay, without the rights it gave them.</Trans>
      </Confirm>
    </li>
  );
}
