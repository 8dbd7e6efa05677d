import { Trans, useLingui } from "@lingui/react/macro";
import { Link, useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { Skeleton } from "@/ui/Skeleton";
import { toast } from "@/ui/toasts";

import { Entrance } from "../Entrance";
import { NewPasswordField } from "../NewPasswordField";
import { tokenOf, useCompleteReset, useResetLook } from "./links";
import { SpentLink } from "./SpentLink";

/** `/reset#token=…`: somebody who forgot their password chooses a new one. */
export function ResetPage() {
  const { t } = useLingui();
  const [token] = useState(() => tokenOf(window.location.hash));
  const look = useResetLook(token);
  if (look.isError) {
    return (
      <SpentLink title={t`Choose a new password`} error={look.error} retry={() => void look.refetch()}>
        <Link to="/forgot" className="text-ember underline underline-offset-2">
          <Trans>Ask for a new link</Trans>
        </Link>
      </SpentLink>
    );
  }
  const name = look.data?.name;
  return (
    <Entrance
      title={t`Choose a new password`}
      intro={name ? t`You sign in as ${name}. You are signed out everywhere else.` : undefined}
    >
      {name ? <NewPasswordForm token={token} name={name} /> : <Skeleton lines={3} />}
    </Entrance>
  );
}

function NewPasswordForm({ token, name }: { token: string; name: string }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const [password, setPassword] = useState("");
  const complete = useCompleteReset();
  const aboutPassword = complete.error instanceof ApiError && complete.error.field === "password";
  const error = complete.isError ? explain(complete.error) : undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    complete.mutate(
      { token, password },
      {
        onSuccess: () => {
          toast(t`Password changed`);
          void navigate({ to: "/login", replace: true });
        },
      },
    );
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <input type="hidden" name="username" autoComplete="username" value={name} readOnly />
      <NewPasswordField
        label={t`New password`}
        error={aboutPassword ? error : undefined}
        autoFocus
        value={password}
        onChange={setPassword}
      />
      {error && !aboutPassword ? <Notice look="error">{error}</Notice> : null}
      <Button look="primary" type="submit" busy={complete.isPending}>
        <Trans>Change password</Trans>
      </Button>
    </form>
  );
}
