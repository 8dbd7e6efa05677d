import { Trans } from "@lingui/react/macro";
import { useState } from "react";

import type { UserInfo } from "@/api/types";
import { Button } from "@/ui/Button";
import { toastError } from "@/ui/toasts";

import { LinkMade } from "./mail/LinkMade";
import { useMakeResetLink } from "./mail/mail";
import { PasswordMade } from "./PasswordMade";
import { useChangeUser } from "./people";

/** Gives somebody who forgot it another password: one they choose by a link, or one made here. Both are shown once. */
export function NewPassword({ user, onDone }: { user: UserInfo; onDone: () => void }) {
  const [made, setMade] = useState<string | null>(null);
  const change = useChangeUser();
  const link = useMakeResetLink();
  if (made) return <PasswordMade name={user.name} password={made} onDone={onDone} />;
  if (link.data) {
    return (
      <LinkMade made={link.data} onDone={onDone}>
        <Trans>
          Hand this link on to {user.name}. It works once, within a day, and is not shown again; until it is
          used, all stays as it is.
        </Trans>
      </LinkMade>
    );
  }
  const make = () => {
    const password = generated();
    change.mutate({ id: user.id, password }, { onSuccess: () => setMade(password), onError: toastError });
  };
  return (
    <div className="flex flex-col gap-5">
      <p>
        <Trans>
          With a link {user.name} chooses the new password. One that you make here holds at once: {user.name}{" "}
          is signed out everywhere, and the old password no longer works.
        </Trans>
      </p>
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button busy={change.isPending} onClick={make}>
          <Trans>Make a new password</Trans>
        </Button>
        <Button
          look="primary"
          busy={link.isPending}
          onClick={() => link.mutate(user.id, { onError: toastError })}
        >
          <Trans>Make a link</Trans>
        </Button>
      </div>
    </div>
  );
}

/** 96 random bits in characters that survive any way of passing them on. */
function generated(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
