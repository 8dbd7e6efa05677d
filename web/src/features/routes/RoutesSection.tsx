import { Trans } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";

import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { useRoutes } from "./queries";
import { RouteRow } from "./RouteRow";

/** Models > Routes: the names that stand for several models. */
export function RoutesSection() {
  const routes = useRoutes();
  return (
    <>
      {routes.isPending ? <Skeleton lines={4} /> : null}
      {routes.isError && !routes.data ? (
        <ErrorState error={routes.error} retry={() => void routes.refetch()} />
      ) : null}
      {routes.data ? (
        <div className="flex flex-col gap-6">
          <p className="max-w-measure text-muted">
            <Trans>
              A route is a name people use like a model’s. You decide what it means today: which models are
              asked, in what order, and what happens when one fails. Tools that use the name never change.
            </Trans>
          </p>
          {routes.data.length > 0 ? (
            <ul className="divide-y divide-line border-y border-line">
              {routes.data.map((route) => (
                <RouteRow key={route.id} route={route} />
              ))}
            </ul>
          ) : (
            <p className="text-muted">
              <Trans>
                There is none yet. A good first one: a model here, and a bought one for when it fails.
              </Trans>
            </p>
          )}
          <Link
            to="/models/routes/$routeId"
            params={{ routeId: "new" }}
            className="inline-flex min-h-10 items-center gap-2 self-start rounded bg-ember px-4 font-medium text-on-ember hover:bg-ember-strong"
          >
            <Plus size={16} aria-hidden />
            <Trans>Add a route</Trans>
          </Link>
        </div>
      ) : null}
    </>
  );
}
