import { Trans } from "@lingui/react/macro";

import type { NewInvitation } from "@/api/types";
import { dateTime } from "@/i18n/format";

import { LinkMade } from "./LinkMade";

/** An invitation's link, and whether it goes by letter as well. */
export function InvitationMade({ made, onDone }: { made: NewInvitation; onDone: () => void }) {
  const until = dateTime(made.expires_at);
  return (
    <LinkMade made={made} onDone={onDone}>
      {made.sent ? (
        <Trans>
          A letter to {made.email} is on its way. You can also hand on the link in it: it makes one account,
          until {until}, and is not shown again.
        </Trans>
      ) : (
        <Trans>
          Hand this link on. It makes one account, until {until}, and is not shown again. Whoever has it can
          use it.
        </Trans>
      )}
    </LinkMade>
  );
}
