import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { Invitation } from "@/api/types";
import { date } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { toastError } from "@/ui/toasts";

import { InvitationMade } from "./InvitationMade";
import { useRenewInvitation, useRevokeInvitation } from "./mail";

/** Somebody who was invited and has not come yet. */
export function InvitationRow({ item, groups }: { item: Invitation; groups: readonly string[] }) {
  const { t } = useLingui();
  const [asking, setAsking] = useState(false);
  const renew = useRenewInvitation();
  const revoke = useRevokeInvitation();
  // eslint-disable-next-line react-hooks/purity -- as old as the list it stands in
  const isOver = item.expires_at <= Date.now();
  const whom = item.email ?? t`somebody with the link`;
  const facts = [
    item.role === "admin" ? t`administrator` : t`member`,
    ...groups,
    t`invited by ${item.invited_by}`,
    isOver ? t`ran out on ${date(item.expires_at)}` : t`good until ${date(item.expires_at)}`,
  ];
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium break-words">{whom}</p>
        <p className="text-sm text-muted">{facts.join(" · ")}</p>
      </div>
      <div className="flex gap-2">
        <Button
          small
          busy={renew.isPending}
          aria-label={t`New link for ${whom}`}
          onClick={() => renew.mutate(item.id, { onError: toastError })}
        >
          <Trans>New link</Trans>
        </Button>
        <Button small aria-label={t`Take back the invitation of ${whom}`} onClick={() => setAsking(true)}>
          <Trans>Take back</Trans>
        </Button>
      </div>
      <Dialog open={renew.data !== undefined} onClose={renew.reset} title={t`A new link for ${whom}`}>
        {renew.data ? <InvitationMade made={renew.data} onDone={renew.reset} /> : null}
      </Dialog>
      <Confirm
        open={asking}
        title={t`Take back the invitation of ${whom}?`}
        act={t`Take back`}
        busy={revoke.isPending}
        onCancel={() => setAsking(false)}
        onConfirm={() => revoke.mutate(item.id, { onError: toastError, onSettled: () => setAsking(false) })}
      >
        <Trans>Its link no longer works.</Trans>
      </Confirm>
    </li>
  );
}
