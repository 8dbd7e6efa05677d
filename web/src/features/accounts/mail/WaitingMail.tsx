import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { Trans, useLingui } from "@lingui/react/macro";

import type { WaitingLetter } from "@/api/types";
import { dateTime } from "@/i18n/format";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { toastError } from "@/ui/toasts";

import { useDropMail, useSendAgain, useWaitingMail } from "./mail";

const KINDS: Readonly<Record<string, MessageDescriptor>> = {
  invitation: msg`invitation`,
  reset: msg`new password`,
  budget: msg`budget warning`,
};

/** The letters that are not sent yet, with what the mail server said; nothing where there are none. */
export function WaitingMail() {
  const { t } = useLingui();
  const { data } = useWaitingMail();
  if (!data?.length) return null;
  return (
    <Section
      title={t`Waiting to be sent`}
      intro={t`What the mail server does not take now is tried again for a day; what it will never take is kept here for a week.`}
    >
      <ul className="divide-y divide-line border-y border-line">
        {data.map((letter) => (
          <WaitingRow key={letter.id} letter={letter} />
        ))}
      </ul>
    </Section>
  );
}

function WaitingRow({ letter }: { letter: WaitingLetter }) {
  const { t, i18n } = useLingui();
  const again = useSendAgain();
  const drop = useDropMail();
  const kind = KINDS[letter.kind];
  const facts = [
    kind ? i18n._(kind) : letter.kind,
    dateTime(letter.created_at),
    letter.failed ? t`given up` : letter.error ? t`will be tried again` : t`waiting`,
  ];
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium break-words">{letter.address}</p>
        <p className="text-sm text-muted">{facts.join(" · ")}</p>
        {letter.error ? <p className="text-sm break-words text-danger">{letter.error}</p> : null}
      </div>
      <div className="flex gap-2">
        <Button
          small
          busy={again.isPending}
          aria-label={t`Try again: ${letter.address}`}
          onClick={() => again.mutate(letter.id, { onError: toastError })}
        >
          <Trans>Try again</Trans>
        </Button>
        <Button
          small
          busy={drop.isPending}
          aria-label={t`Throw away: ${letter.address}`}
          onClick={() => drop.mutate(letter.id, { onError: toastError })}
        >
          <Trans>Throw away</Trans>
        </Button>
      </div>
    </li>
  );
}
