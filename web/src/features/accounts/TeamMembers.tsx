import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { GroupInfo, UserInfo } from "@/api/types";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { Skeleton } from "@/ui/Skeleton";
import { TextField } from "@/ui/TextField";

import { useChangeGroup, useTeamPeople, useUsers } from "./people";
import { useIsAdmin } from "./session";

/** Who is in a team, and who manages its keys; administrators change it. */
export function TeamMembers({ group }: { group: GroupInfo }) {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  const people = useTeamPeople(group.id);
  const [editing, setEditing] = useState(false);
  return (
    <Section
      title={t`Members`}
      intro={
        isAdmin
          ? t`Who manages the team makes, limits and revokes its keys. All else is the administrators’.`
          : t`Administrators say who is in the team and who manages it.`
      }
    >
      {people.isPending ? <Skeleton lines={2} /> : null}
      {people.isError ? <ErrorState error={people.error} retry={() => void people.refetch()} /> : null}
      {people.data?.length === 0 ? (
        <p className="text-muted">
          <Trans>Nobody is in this team yet.</Trans>
        </p>
      ) : null}
      {people.data && people.data.length > 0 ? (
        <ul className="max-h-96 divide-y divide-line overflow-y-auto border-y border-line">
          {people.data.map((one) => (
            <li key={one.id} className="flex flex-wrap justify-between gap-x-4 py-2">
              <span className="min-w-0 break-words">
                {one.display_name}
                {one.display_name === one.name ? null : <span className="ml-2 text-muted">{one.name}</span>}
              </span>
              <span className="text-sm text-muted">
                {one.manages ? (
                  one.member ? (
                    <Trans>manages the keys</Trans>
                  ) : (
                    <Trans>manages the keys, no member</Trans>
                  )
                ) : null}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      {isAdmin ? (
        <Button small className="self-start" onClick={() => setEditing(true)}>
          <Trans>Change members</Trans>
        </Button>
      ) : null}
      <Dialog open={editing} onClose={() => setEditing(false)} title={t`Members of ${group.name}`} wide>
        <MembersForm group={group} onDone={() => setEditing(false)} />
      </Dialog>
    </Section>
  );
}

function MembersForm({ group, onDone }: { group: GroupInfo; onDone: () => void }) {
  const { t } = useLingui();
  const users = useUsers();
  const change = useChangeGroup(group.id);
  const [query, setQuery] = useState("");
  const [members, setMembers] = useState<ReadonlySet<string>>(() => new Set(group.members));
  const [managers, setManagers] = useState<ReadonlySet<string>>(() => new Set(group.managers));
  if (users.isError) return <ErrorState error={users.error} retry={() => void users.refetch()} />;
  if (!users.data) return <Skeleton lines={4} />;
  const words = query.trim().toLowerCase();
  const shown = users.data.filter(({ name, display_name }) =>
    `${name}\n${display_name}`.toLowerCase().includes(words),
  );
  const save = () => change.mutate({ members: [...members], managers: [...managers] }, { onSuccess: onDone });
  return (
    <div className="flex flex-col gap-4">
      <TextField
        label={t`Search people`}
        type="search"
        autoComplete="off"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <div className="max-h-[50dvh] overflow-y-auto border-y border-line">
        <table className="w-full">
          <thead className="sticky top-0 bg-raised text-left text-sm text-muted">
            <tr className="[&>th]:py-2 [&>th]:pr-3 [&>th]:font-medium">
              <th scope="col">
                <Trans>Name</Trans>
              </th>
              <th scope="col">
                <Trans>Member</Trans>
              </th>
              <th scope="col">
                <Trans>Manages keys</Trans>
              </th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {shown.map((user) => (
              <tr key={user.id} className="[&>td]:py-1.5 [&>td]:pr-3">
                <td className="break-words">{user.display_name}</td>
                <Tick
                  user={user}
                  label={t`${user.display_name} is a member`}
                  chosen={members}
                  onChange={setMembers}
                />
                <Tick
                  user={user}
                  label={t`${user.display_name} manages the keys`}
                  chosen={managers}
                  onChange={setManagers}
                />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {change.error ? <Notice look="error">{explain(change.error)}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" busy={change.isPending} onClick={save}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </div>
  );
}

function Tick({
  user,
  label,
  chosen,
  onChange,
}: {
  user: UserInfo;
  label: string;
  chosen: ReadonlySet<string>;
  onChange: (chosen: ReadonlySet<string>) => void;
}) {
  const toggle = () => {
    const next = new Set(chosen);
    if (!next.delete(user.id)) next.add(user.id);
    onChange(next);
  };
  return (
    <td>
      <input
        type="checkbox"
        aria-label={label}
        className="block size-5 accent-ember"
        checked={chosen.has(user.id)}
        onChange={toggle}
      />
    </td>
  );
}
