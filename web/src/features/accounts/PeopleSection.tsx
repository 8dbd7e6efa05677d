import { Trans, useLingui } from "@lingui/react/macro";
import { Plus } from "lucide-react";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { GroupForm } from "./GroupForm";
import { GroupRow } from "./GroupRow";
import { Invitations } from "./mail/Invitations";
import { NewUserForm } from "./NewUserForm";
import { useGroups, useUsers } from "./people";
import { UserRow } from "./UserRow";

/** Settings > People: users and groups. */
export function PeopleSection() {
  const { t } = useLingui();
  const users = useUsers();
  const groups = useGroups();
  const [window, setWindow] = useState<"user" | "group" | null>(null);
  const close = () => setWindow(null);
  const failed = users.error ?? groups.error;
  if (failed) {
    return <ErrorState error={failed} retry={() => void Promise.all([users.refetch(), groups.refetch()])} />;
  }
  if (!users.data || !groups.data) return <Skeleton lines={4} />;
  return (
    <div className="flex flex-col gap-10">
      <Section title={t`Users`}>
        <ul className="divide-y divide-line border-y border-line">
          {users.data.map((user) => (
            <UserRow
              key={user.id}
              user={user}
              groups={groups.data.filter(({ id }) => user.groups.includes(id)).map(({ name }) => name)}
            />
          ))}
        </ul>
        <Button className="self-start" onClick={() => setWindow("user")}>
          <Plus size={16} aria-hidden />
          <Trans>Add a user</Trans>
        </Button>
      </Section>
      <Invitations groups={groups.data} />
      <Section title={t`Groups`} intro={t`A group can be given rights that its members then have.`}>
        {groups.data.length === 0 ? (
          <p className="text-muted">
            <Trans>There are no groups.</Trans>
          </p>
        ) : (
          <ul className="divide-y divide-line border-y border-line">
            {groups.data.map((group) => (
              <GroupRow key={group.id} group={group} users={users.data} />
            ))}
          </ul>
        )}
        <Button className="self-start" onClick={() => setWindow("group")}>
          <Plus size={16} aria-hidden />
          <Trans>Add a group</Trans>
        </Button>
      </Section>
      <Dialog open={window === "user"} onClose={close} title={t`Add a user`}>
        <NewUserForm onDone={close} />
      </Dialog>
      <Dialog open={window === "group"} onClose={close} title={t`Add a group`}>
        <GroupForm users={users.data} onDone={close} />
      </Dialog>
    </div>
  );
}
