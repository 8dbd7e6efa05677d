import { Trans } from "@lingui/react/macro";
import { useState } from "react";

import type { UserInfo } from "@/api/types";
import { Button } from "@/ui/Button";
import { toastError } from "@/ui/toasts";

import { PasswordMade } from "./PasswordMade";
import { useChangeUser } from "./people";

/** Gives somebody who forgot it another password, made here and shown once. */
export function NewPassword({ user, onDone }: { user: UserInfo; onDone: () => void }) {
  const [made, setMade] = useState<string | null>(null);
  const change = useChangeUser();
  if (made) return <PasswordMade name={user.name} password={made} onDone={onDone} />;
  const make = () => {
    const password = generated();
    change.mutate({ id: user.id, password }, { onSuccess: () => setMade(password), onError: toastError });
  };
  return (
    <div className="flex flex-col gap-5">
      <p>
        <Trans>{user.name} is signed out everywhere, and the old password no longer works.</Trans>
      </p>
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" busy={change.isPending} onClick={make}>
          <Trans>Make a new password</Trans>
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
