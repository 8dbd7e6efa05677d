import { Trans, useLingui } from "@lingui/react/macro";
import { Ban, Ellipsis, KeyRound, Shield, Trash2 } from "lucide-react";
import { useState } from "react";

import type { UserInfo } from "@/api/types";
import { date } from "@/i18n/format";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { NewPassword } from "./NewPassword";
import { useChangeUser, useDeleteUser } from "./people";
import { useMe } from "./session";

export function UserRow({ user, groups }: { user: UserInfo; groups: readonly string[] }) {
  const { t } = useLingui();
  const me = useMe();
  const [window, setWindow] = useState<"delete" | "password" | null>(null);
  const close = () => setWindow(null);
  const change = useChangeUser();
  const remove = useDeleteUser();
  const isAdmin = user.role === "admin";
  const facts = [
    isAdmin ? t`administrator` : t`member`,
    user.disabled ? t`disabled` : null,
    ...groups,
    user.last_seen_at ? t`last seen ${date(user.last_seen_at)}` : t`never signed in`,
  ].filter((fact) => fact !== null);
  return (
    <li className="flex items-center gap-4 py-3">
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">
          {user.display_name}
          {user.display_name === user.name ? null : <span className="ml-2 text-muted">{user.name}</span>}
        </p>
        <p className="text-sm text-muted">{facts.join(" · ")}</p>
      </div>
      {user.id === me.id ? (
        <span className="text-sm text-muted">
          <Trans>you</Trans>
        </span>
      ) : (
        <Menu
          trigger={
            <IconButton small tip="none" label={t`More for ${user.name}`} icon={<Ellipsis size={16} />} />
          }
          entries={[
            {
              id: "role",
              icon: <Shield size={16} />,
              name: isAdmin ? t`Make a member` : t`Make an administrator`,
              run: () =>
                change.mutate({ id: user.id, role: isAdmin ? "member" : "admin" }, { onError: toastError }),
            },
            {
              id: "password",
              icon: <KeyRound size={16} />,
              name: t`New password`,
              run: () => setWindow("password"),
            },
            {
              id: "disable",
              icon: <Ban size={16} />,
              name: user.disabled ? t`Enable` : t`Disable`,
              run: () => change.mutate({ id: user.id, disabled: !user.disabled }, { onError: toastError }),
            },
            {
              id: "delete",
              icon: <Trash2 size={16} />,
              name: t`Delete`,
              danger: true,
              run: () => setWindow("delete"),
            },
          ]}
        />
      )}
      <Dialog open={window === "password"} onClose={close} title={t`A new password for ${user.name}`}>
        <NewPassword user={user} onDone={close} />
      </Dialog>
      <Confirm
        open={window === "delete"}
        title={t`Delete ${user.name}?`}
        act={t`Delete`}
        busy={remove.isPending}
        onCancel={close}
        onConfirm={() => remove.mutate(user.id, { onError: toastError, onSettled: close })}
      >
        <Trans>Their conversations and keys are deleted with them. This cannot be undone.</Trans>
      </Confirm>
    </li>
  );
}
