import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";

import { PullRow } from "@/features/models/PullRow";
import { usePulls, useSuggestions } from "@/features/models/queries";
import { Suggestion } from "@/features/models/Suggestion";
import { usePullProgress } from "@/features/models/usePullProgress";
import { Skeleton } from "@/ui/Skeleton";

/** The best model for this machine and this reader's language, with its progress once it is on its way. */
export function BetterModel() {
  const { i18n } = useLingui();
  const suggestions = useSuggestions(i18n.locale);
  const pulls = usePulls();
  usePullProgress();
  if (suggestions.isPending) return <Skeleton lines={2} />;
  const running = (pulls.data ?? []).filter(({ status }) => status === "running");
  const wanted = (suggestions.data ?? []).filter(({ installed, starter }) => !installed && !starter);
  const best = wanted.find(({ recommended }) => recommended) ?? wanted[0];
  return (
    <>
      {running.length > 0 ? (
        <ul className="flex flex-col gap-4">
          {running.map((pull) => (
            <PullRow key={pull.id} pull={pull} />
          ))}
        </ul>
      ) : best ? (
        <ul>
          <Suggestion suggestion={best} />
        </ul>
      ) : null}
      <p className="text-muted">
        <Link to="/models" className="text-ember underline underline-offset-3">
          <Trans>See all models that fit this machine</Trans>
        </Link>
      </p>
    </>
  );
}
