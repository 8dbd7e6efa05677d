import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";

import { Entrance } from "../Entrance";
import { NameField } from "../NameField";
import { sessionQuery } from "../session";
import { useAskForReset } from "./links";

/** `/forgot`: has a link for a new password sent to one's address. */
export function ForgotPage() {
  const { t } = useLingui();
  const session = useQuery(sessionQuery);
  const [name, setName] = useState("");
  const asking = useAskForReset();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    asking.mutate(name.trim());
  };
  const back = (
    <Link to="/login" className="text-ember underline underline-offset-2">
      <Trans>Back to signing in</Trans>
    </Link>
  );
  if (session.data?.resets_by_mail === false) {
    return (
      <Entrance title={t`Forgot your password?`}>
        <p>
          <Trans>
            This server sends no e-mails. Ask an administrator for a link to choose a new password.
          </Trans>
        </p>
        <p className="mt-5">{back}</p>
      </Entrance>
    );
  }
  if (asking.isSuccess) {
    return (
      <Entrance title={t`Look into your mailbox`}>
        <p role="status">
          <Trans>
            If there is an account of that name or address, and an e-mail address is known for it, a link to
            choose a new password is on its way. It is good for an hour.
          </Trans>
        </p>
        <p className="mt-3 text-muted">
          <Trans>Nothing came? Look among the junk mail, or ask an administrator.</Trans>
        </p>
        <p className="mt-5">{back}</p>
      </Entrance>
    );
  }
  return (
    <Entrance
      title={t`Forgot your password?`}
      intro={t`Say who you are, and a link to choose a new one goes to your e-mail address.`}
    >
      <form onSubmit={submit} className="flex flex-col gap-5">
        <NameField
          label={t`User name or e-mail address`}
          error={asking.isError ? explain(asking.error) : undefined}
          value={name}
          onChange={setName}
        />
        <Button look="primary" type="submit" busy={asking.isPending} disabled={!name.trim()}>
          <Trans>Send the link</Trans>
        </Button>
        <p className="text-sm">{back}</p>
      </form>
    </Entrance>
  );
}
