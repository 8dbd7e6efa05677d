import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";

import { PasswordMade } from "./PasswordMade";
import { useAddUser } from "./people";
import { type Role, RoleField } from "./RoleField";

/** Adds a user with a generated password, which is shown once. */
export function NewUserForm({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("member");
  const add = useAddUser();
  const password = add.data?.password;
  if (add.data && password) return <PasswordMade name={add.data.name} password={password} onDone={onDone} />;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    add.mutate({ name: name.trim(), role });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`User name`}
        hint={t`For signing in. A password is made and shown to you.`}
        error={add.isError ? explain(add.error) : undefined}
        required
        autoCapitalize="off"
        autoComplete="off"
        spellCheck={false}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <RoleField value={role} onChange={setRole} />
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={add.isPending} disabled={!name.trim()}>
          <Trans>Add</Trans>
        </Button>
      </div>
    </form>
  );
}
