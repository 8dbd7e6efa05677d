import { Trans } from "@lingui/react/macro";
import type { ReactNode } from "react";

import { Button } from "./Button";
import { explain } from "./explain";

/** A page or part of it that could not be loaded: what happened, and the way out. */
export function ErrorState({
  error,
  retry,
  children,
}: {
  error: unknown;
  retry?: () => void;
  children?: ReactNode;
}) {
  return (
    <div role="alert" className="flex flex-col items-start gap-3 py-6">
      <p className="font-medium">
        <Trans>This could not be loaded.</Trans>
      </p>
      <p className="max-w-measure text-muted">{explain(error)}</p>
      <div className="flex gap-2">
        {retry ? (
          <Button onClick={retry}>
            <Trans>Try again</Trans>
          </Button>
        ) : null}
        {children}
      </div>
    </div>
  );
}
