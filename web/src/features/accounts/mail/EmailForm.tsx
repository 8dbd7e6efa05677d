import { Trans, useLingui } from "@lingui/react/macro";
import { useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";
import { toast } from "@/ui/toasts";

import { sessionQuery, useMe } from "../session";
import { useChangeEmail } from "./mail";

/** Changes one's own address; the password is asked for, because a new one can be sent there. */
export function EmailForm() {
  const { t } = useLingui();
  const me = useMe();
  const client = useQueryClient();
  const change = useChangeEmail();
  const [email, setEmail] = useState(me.email ?? "");
  const [password, setPassword] = useState("");
  const isWrong = change.error instanceof ApiError && change.error.code === "wrong_password";
  const error = isWrong ? t`This is not your password.` : change.isError ? explain(change.error) : undefined;
  const changed = email.trim() !== (me.email ?? "");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    change.mutate(
      { email: email.trim() || null, password },
      {
        onSuccess: () => {
          setPassword("");
          toast(t`Saved`);
          void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
        },
      },
    );
  };
  return (
    <Section title={t`E-mail`}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <input type="hidden" name="username" autoComplete="username" value={me.name} readOnly />
        <TextField
          label={t`E-mail address`}
          hint={t`For a new password when you forget yours, and for warnings of your budget.`}
          type="email"
          autoComplete="email"
          error={isWrong ? undefined : error}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
        {changed ? (
          <TextField
            label={t`Your password`}
            type="password"
            autoComplete="current-password"
            required
            error={isWrong ? error : undefined}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        ) : null}
        <Button type="submit" className="self-start" busy={change.isPending} disabled={!changed}>
          <Trans>Save</Trans>
        </Button>
      </form>
    </Section>
  );
}
