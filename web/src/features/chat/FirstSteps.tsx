import { Trans } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";

import { useIsAdmin } from "@/features/accounts/session";
import { canChat, isStarter, useModels } from "@/features/models/queries";

import { BetterModel } from "./BetterModel";

/**
 * While there is only a model to start with, or none: what it cannot do, and one click each to something better.
 */
export function FirstSteps() {
  const isAdmin = useIsAdmin();
  const models = useModels();
  if (!models.data) return null;
  const able = models.data.filter(canChat);
  const starters = able.filter(isStarter);
  if (able.length > starters.length) return null;
  const starter = starters[0]?.name;
  return (
    <section className="flex flex-col gap-4 border-l-2 border-ember pl-4" data-first-steps>
      {starter ? (
        <p>
          <Trans>
            You are talking to <span className="font-medium">{starter}</span>, a very small model to start
            with. It speaks English only and knows little.
          </Trans>
        </p>
      ) : (
        <p>
          <Trans>There is no model to talk to yet.</Trans>
        </p>
      )}
      {isAdmin ? (
        <>
          <BetterModel />
          <p className="text-muted">
            <Trans>
              Or use a vendor’s models:{" "}
              <Link
                to="/models/$section"
                params={{ section: "providers" }}
                className="text-ember underline underline-offset-3"
              >
                add an API key
              </Link>
              .
            </Trans>
          </p>
        </>
      ) : (
        <p className="text-muted">
          <Trans>An administrator can add better ones.</Trans>
        </p>
      )}
    </section>
  );
}
