import { Trans } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { ApiError } from "@/api/error";
import { ErrorState } from "@/ui/ErrorState";
import { explain } from "@/ui/explain";

import { Entrance } from "../Entrance";

/** In place of the page of a link that is good no more, or could not be looked at; `children` say what to do. */
export function SpentLink({
  title,
  error,
  retry,
  children,
}: {
  title: string;
  error: Error;
  retry: () => void;
  children: ReactNode;
}) {
  const isSpent = error instanceof ApiError && error.code === "link_spent";
  return (
    <Entrance title={title}>
      {isSpent ? (
        <div role="alert" className="flex flex-col gap-3">
          <p>{explain(error)}</p>
          <p className="text-muted">{children}</p>
          <p>
            <Link to="/login" className="text-ember underline underline-offset-2">
              <Trans>Sign in</Trans>
            </Link>
          </p>
        </div>
      ) : (
        <ErrorState error={error} retry={retry} />
      )}
    </Entrance>
  );
}
