import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import type { GroupInfo, UserInfo } from "@/api/types";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";

import { useAddGroup, useChangeGroup } from "./people";

/** Adds a group, or changes its name and members. */
export function GroupForm({
  group,
  users,
  onDone,
}: {
  group?: GroupInfo;
  users: readonly UserInfo[];
  onDone: () => void;
}) {
  const { t } = useLingui();
  const [name, setName] = useState(group?.name ?? "");
  const [members, setMembers] = useState(() => new Set(group?.members));
  const add = useAddGroup();
  const change = useChangeGroup();
  const { error, isPending } = group ? change : add;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const body = { name: name.trim(), members: [...members] };
    if (group) change.mutate({ id: group.id, ...body }, { onSuccess: onDone });
    else add.mutate(body, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`Name`}
        error={error ? explain(error) : undefined}
        required
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <fieldset>
        <legend className="text-sm font-medium">
          <Trans>Members</Trans>
        </legend>
        <ul className="mt-1 max-h-60 overflow-y-auto border-y border-line">
          {users.map((user) => (
            <li key={user.id}>
              <label className="flex min-h-9 items-center gap-3 rounded px-2 hover:bg-hover">
                <input
                  type="checkbox"
                  className="size-4 accent-ember"
                  checked={members.has(user.id)}
                  onChange={({ target }) => {
                    const next = new Set(members);
                    if (target.checked) next.add(user.id);
                    else next.delete(user.id);
                    setMembers(next);
                  }}
                />
                {user.display_name}
              </label>
            </li>
          ))}
        </ul>
      </fieldset>
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={isPending} disabled={!name.trim()}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </form>
  );
}
