import { Trans, useLingui } from "@lingui/react/macro";
import { Mail } from "lucide-react";
import { useState } from "react";

import type { GroupInfo } from "@/api/types";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";

import { InvitationRow } from "./InvitationRow";
import { InviteForm } from "./InviteForm";
import { useInvitations } from "./mail";

/** Who was invited and has not come yet, and the way to invite others. */
export function Invitations({ groups }: { groups: readonly GroupInfo[] }) {
  const { t } = useLingui();
  const invitations = useInvitations();
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <Section
      title={t`Invitations`}
      intro={t`Who is invited chooses their own name and password, by a link that works once.`}
    >
      {invitations.isError ? (
        <ErrorState error={invitations.error} retry={() => void invitations.refetch()} />
      ) : null}
      {invitations.data?.length ? (
        <ul className="divide-y divide-line border-y border-line">
          {invitations.data.map((item) => (
            <InvitationRow
              key={item.id}
              item={item}
              groups={groups.filter(({ id }) => item.groups.includes(id)).map(({ name }) => name)}
            />
          ))}
        </ul>
      ) : null}
      <Button className="self-start" onClick={() => setOpen(true)}>
        <Mail size={16} aria-hidden />
        <Trans>Invite somebody</Trans>
      </Button>
      <Dialog open={open} onClose={close} title={t`Invite somebody`}>
        <InviteForm groups={groups} onDone={close} />
      </Dialog>
    </Section>
  );
}
