import { Trans, useLingui } from "@lingui/react/macro";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { TextField } from "@/ui/TextField";

import { Entrance } from "./Entrance";
import { tokenOf } from "./mail/links";
import { NameField } from "./NameField";
import { NewPasswordField } from "./NewPasswordField";
import { useChangeMe, useSetUp } from "./session";

/** `/setup`: makes the first administrator. */
export function SetupPage() {
  const { t, i18n } = useLingui();
  const navigate = useNavigate();
  const [given] = useState(() => tokenOf(window.location.hash));
  const [token, setToken] = useState(given);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const setUp = useSetUp();
  const changeMe = useChangeMe();
  const field = setUp.error instanceof ApiError ? setUp.error.field : null;
  const wrong = (which: string) => (field === which ? explain(setUp.error) : undefined);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setUp.mutate(
      { token: token.trim(), name: name.trim(), password },
      {
        onSuccess: () => {
          changeMe.mutate({ language: i18n.locale });
          void navigate({ to: "/", replace: true });
        },
      },
    );
  };
  return (
    <Entrance
      title={t`Welcome to Inglenook`}
      intro={t`Create the administrator’s account. Everything stays on this machine.`}
    >
      <form onSubmit={submit} className="flex flex-col gap-5">
        {given && field !== "token" ? null : (
          <TextField
            label={t`Set-up token`}
            hint={t`The terminal in which Inglenook was started shows it.`}
            error={wrong("token")}
            required
            autoComplete="off"
            spellCheck={false}
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        )}
        <NameField hint={t`You sign in with it.`} error={wrong("name")} value={name} onChange={setName} />
        <NewPasswordField error={wrong("password")} value={password} onChange={setPassword} />
        {setUp.isError && !["token", "name", "password"].includes(field ?? "") ? (
          <Notice look="error">{explain(setUp.error)}</Notice>
        ) : null}
        <Button look="primary" type="submit" busy={setUp.isPending}>
          <Trans>Create account</Trans>
        </Button>
      </form>
    </Entrance>
  );
}
