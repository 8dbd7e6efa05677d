import { Trans, useLingui } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";

import { Page } from "@/shell/Page";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { useRoutes } from "./queries";
import { RouteEditor } from "./RouteEditor";

/** `/models/routes/…`: one route, or a new one. */
export function RoutePage() {
  const { t } = useLingui();
  const { routeId: id = "new" } = useParams({ strict: false });
  const routes = useRoutes();
  const route = routes.data?.find((other) => other.id === id);
  const title = id === "new" ? t`New route` : (route?.name ?? t`Route`);
  return (
    <Page title={title}>
      <Link
        to="/models/$section"
        params={{ section: "routes" }}
        className="mb-6 inline-flex min-h-8 items-center gap-1 text-sm text-muted hover:text-ink"
      >
        <ChevronLeft size={15} aria-hidden />
        <Trans>All routes</Trans>
      </Link>
      {routes.isPending ? <Skeleton lines={8} /> : null}
      {routes.isError && !routes.data ? (
        <ErrorState error={routes.error} retry={() => void routes.refetch()} />
      ) : null}
      {routes.data && (route ?? id === "new") ? (
        <RouteEditor key={id} route={route ?? null} others={routes.data.filter((other) => other.id !== id)} />
      ) : null}
      {routes.data && !route && id !== "new" ? (
        <p className="text-muted">
          <Trans>There is no such route any more.</Trans>
        </p>
      ) : null}
    </Page>
  );
}
