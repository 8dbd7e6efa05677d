import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";

import type { RouteInfo } from "@/api/types";

import { StateDot } from "./StateDot";
import { seconds, strategyName } from "./words";

/** One route of the list: whom it asks, and whether all is well there. */
export function RouteRow({ route }: { route: RouteInfo }) {
  const { t } = useLingui();
  const { name, description, enabled, definition, targets, problems } = route;
  const facts = [
    strategyName(definition.strategy ?? "ordered"),
    definition.private ? t`stays in the house` : null,
    definition.cache ? t`keeps answers for ${seconds(definition.cache.ttl)}` : null,
  ].filter(Boolean);
  const ordered = (definition.strategy ?? "ordered") === "ordered";
  return (
    <li className="relative flex items-center gap-4 py-3 hover:bg-hover">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-baseline gap-x-2 break-words">
          <Link
            to="/models/routes/$routeId"
            params={{ routeId: route.id }}
            className="font-medium after:absolute after:inset-0"
          >
            {name}
          </Link>
          {enabled ? null : (
            <span className="text-sm text-muted">
              <Trans>switched off</Trans>
            </span>
          )}
        </p>
        {description ? <p className="text-sm break-words text-muted">{description}</p> : null}
        <p className="mt-1 flex flex-wrap items-center gap-x-2 gap-y-1 text-sm">
          {targets.map(({ model, kind, state }, index) => (
            <span key={model} className="flex min-w-0 items-center gap-2">
              {index > 0 ? (
                <span aria-hidden className="text-muted">
                  {ordered ? "→" : "·"}
                </span>
              ) : null}
              <StateDot state={kind === "missing" ? "missing" : state} />
              <span className="min-w-0 break-words">{model}</span>
            </span>
          ))}
        </p>
        <p className="mt-1 flex flex-wrap gap-x-2 text-xs text-muted">
          {facts.map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
          {problems.length > 0 ? (
            <span className="text-ember">
              <Plural value={problems.length} one="# thing to look at" other="# things to look at" />
            </span>
          ) : null}
        </p>
      </div>
      <ChevronRight size={16} aria-hidden className="shrink-0 text-muted" />
    </li>
  );
}
