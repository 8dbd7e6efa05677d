import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";

import { Logo } from "@/ui/Logo";

import { useTitle } from "./useTitle";

/** The page for an address that leads nowhere. */
export function NotFound() {
  const { t } = useLingui();
  useTitle(t`There is nothing at this address.`);
  return (
    <main className="mx-auto flex max-w-measure flex-col items-start gap-3 px-4 py-24">
      <Logo size={36} />
      <h1 className="text-xl font-semibold">
        <Trans>There is nothing at this address.</Trans>
      </h1>
      <Link to="/" className="text-ember underline underline-offset-3">
        <Trans>Back to the chat</Trans>
      </Link>
    </main>
  );
}
