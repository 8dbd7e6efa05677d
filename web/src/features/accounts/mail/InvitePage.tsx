import { Trans, useLingui } from "@lingui/react/macro";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { Skeleton } from "@/ui/Skeleton";

import { Entrance } from "../Entrance";
import { NameField } from "../NameField";
import { NewPasswordField } from "../NewPasswordField";
import { useChangeMe } from "../session";
import { tokenOf, useAcceptInvitation, useInvitationLook } from "./links";
import { SpentLink } from "./SpentLink";

/** `/invite#token=…`: somebody who was invited makes their account. */
export function InvitePage() {
  const { t } = useLingui();
  const [token] = useState(() => tokenOf(window.location.hash));
  const look = useInvitationLook(token);
  if (look.isError) {
    return (
      <SpentLink title={t`Invitation`} error={look.error} retry={() => void look.refetch()}>
        <Trans>Ask whoever invited you for a new link.</Trans>
      </SpentLink>
    );
  }
  const inviter = look.data?.invited_by;
  return (
    <Entrance
      title={t`Welcome to Inglenook`}
      intro={inviter ? t`${inviter} invites you. Choose how you sign in from now on.` : undefined}
    >
      {look.data ? <NewAccount token={token} email={look.data.email} /> : <Skeleton lines={4} />}
    </Entrance>
  );
}

function NewAccount({ token, email }: { token: string; email: string | null }) {
  const { t, i18n } = useLingui();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const accept = useAcceptInvitation();
  const changeMe = useChangeMe();
  const field = accept.error instanceof ApiError ? accept.error.field : null;
  const wrong = (which: string) => (field === which ? explain(accept.error) : undefined);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    accept.mutate(
      { token, name: name.trim(), password },
      {
        onSuccess: () => {
          changeMe.mutate({ language: i18n.locale });
          void navigate({ to: "/", replace: true });
        },
      },
    );
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      {email ? (
        <p className="text-muted">
          <Trans>
            Your account gets the address <span className="break-all text-ink">{email}</span>.
          </Trans>
        </p>
      ) : null}
      <NameField hint={t`You sign in with it.`} error={wrong("name")} value={name} onChange={setName} />
      <NewPasswordField error={wrong("password")} value={password} onChange={setPassword} />
      {accept.isError && field !== "name" && field !== "password" ? (
        <Notice look="error">{explain(accept.error)}</Notice>
      ) : null}
      <Button look="primary" type="submit" busy={accept.isPending}>
        <Trans>Create account</Trans>
      </Button>
    </form>
  );
}
