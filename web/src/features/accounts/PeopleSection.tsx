import { Trans, useLingui } from "@lingui/react/macro";
import { Plus } from "lucide-react";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { Invitations } from "./mail/Invitations";
import { NewUserForm } from "./NewUserForm";
import { useGroups, useUsers } from "./people";
import { UserRow } from "./UserRow";

/** Admin > People: who has an account. */
export function PeopleSection() {
  const { t } = useLingui();
  const users = useUsers();
  const groups = useGroups();
  const [window, setWindow] = useState<"user" | null>(null);
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
      <Dialog open={window === "user"} onClose={close} title={t`Add a user`}>
        <NewUserForm onDone={close} />
      </Dialog>
    </div>
  );
}
