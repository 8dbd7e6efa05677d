import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";
import { toast } from "@/ui/toasts";

import { PASSWORD_LENGTH, useChangePassword, useMe } from "./session";

/** Changes one's own password. */
export function PasswordForm() {
  const { t } = useLingui();
  const me = useMe();
  const change = useChangePassword();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const aboutNew = change.error instanceof ApiError && change.error.field === "new";
  const isWrong = change.error instanceof ApiError && change.error.code === "wrong_password";
  const error = isWrong
    ? t`This is not your current password.`
    : change.isError
      ? explain(change.error)
      : undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    change.mutate(
      { current, new: next },
      {
        onSuccess: () => {
          setCurrent("");
          setNext("");
          toast(t`Password changed`);
        },
      },
    );
  };
  return (
    <Section title={t`Password`}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <input type="hidden" name="username" autoComplete="username" value={me.name} readOnly />
        <TextField
          label={t`Current password`}
          type="password"
          autoComplete="current-password"
          required
          error={aboutNew ? undefined : error}
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
        />
        <TextField
          label={t`New password`}
          hint={t`At least ${PASSWORD_LENGTH} characters. Your other sessions end.`}
          minLength={PASSWORD_LENGTH}
          type="password"
          autoComplete="new-password"
          required
          error={aboutNew ? error : undefined}
          value={next}
          onChange={(event) => setNext(event.target.value)}
        />
        <Button type="submit" className="self-start" busy={change.isPending}>
          <Trans>Change password</Trans>
        </Button>
      </form>
    </Section>
  );
}
