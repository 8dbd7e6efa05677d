import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { TextField } from "@/ui/TextField";

import { useMe } from "../session";
import { useTestMail } from "./mail";

const CAUSES: Readonly<Record<string, MessageDescriptor>> = {
  unreachable: msg`The mail server cannot be reached. Check its name.`,
  refused: msg`Nobody listens at that port. Check the port.`,
  timeout: msg`The mail server does not answer. Check port and encryption.`,
  tls: msg`The encrypted connection fails. Check that port and encryption fit, and the certificate.`,
  auth: msg`The mail server does not take the user name and the password.`,
  unsupported: msg`The mail server does not offer what the settings ask for.`,
  rejected: msg`The mail server refuses this e-mail. Check the sender and the address.`,
  address: msg`Nobody can be written to at this address.`,
};

/** Sends a letter at once, and says what the mail server says. */
export function MailTest({ ready }: { ready: boolean }) {
  const { t, i18n } = useLingui();
  const me = useMe();
  const [address, setAddress] = useState(me.email ?? "");
  const test = useTestMail();
  const { error } = test;
  const about = error instanceof ApiError ? CAUSES[String(error.details.cause)] : undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    test.mutate(address.trim());
  };
  const sentTo = test.variables;
  return (
    <Section title={t`Test`} intro={t`Save the settings first; then see whether a letter arrives.`}>
      <form onSubmit={submit} className="flex max-w-measure flex-col gap-4">
        <TextField
          label={t`Send a test letter to`}
          type="email"
          required
          autoComplete="email"
          value={address}
          onChange={(event) => setAddress(event.target.value)}
        />
        {test.isSuccess ? (
          <div role="status">
            <Notice>
              <Trans>The mail server has taken the letter to {sentTo}.</Trans>
            </Notice>
          </div>
        ) : null}
        {error ? (
          <Notice look="error">
            {about ? (
              <>
                <p>{i18n._(about)}</p>
                <p className="mt-1 text-muted">{error.message}</p>
              </>
            ) : (
              explain(error)
            )}
          </Notice>
        ) : null}
        <Button
          type="submit"
          className="self-start"
          busy={test.isPending}
          disabled={!ready || !address.trim()}
        >
          <Trans>Send a test letter</Trans>
        </Button>
      </form>
    </Section>
  );
}
