import { Trans, useLingui } from "@lingui/react/macro";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";

import { Entrance } from "./Entrance";
import { NameField } from "./NameField";
import { useSignIn } from "./session";

/** `/login`. */
export function LoginPage() {
  const { t } = useLingui();
  const navigate = useNavigate();
  const { next } = useSearch({ from: "/login" });
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useSignIn();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    signIn.mutate({ name, password }, { onSuccess: () => void navigate({ to: next ?? "/", replace: true }) });
  };
  return (
    <Entrance title={t`Sign in`}>
      <form onSubmit={submit} className="flex flex-col gap-5">
        <NameField value={name} onChange={setName} />
        <TextField
          label={t`Password`}
          name="password"
          type="password"
          autoComplete="current-password"
          required
          error={signIn.isError ? explain(signIn.error) : undefined}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button look="primary" type="submit" busy={signIn.isPending}>
          <Trans>Sign in</Trans>
        </Button>
        <p className="text-sm">
          <Link to="/forgot" className="text-muted underline underline-offset-2 hover:text-ink">
            <Trans>Forgot your password?</Trans>
          </Link>
        </p>
      </form>
    </Entrance>
  );
}
