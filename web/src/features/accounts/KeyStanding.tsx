import { Trans } from "@lingui/react/macro";

import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { useStandingOfKey } from "./limits";
import { Standing } from "./Standing";

/** All that calls with a key must fit under: its own limits, and those of its owner, the team, and everybody. */
export function KeyStanding({ id }: { id: string }) {
  const standing = useStandingOfKey(id, true);
  if (standing.isError) return <ErrorState error={standing.error} retry={() => void standing.refetch()} />;
  if (!standing.data) return <Skeleton lines={3} />;
  if (standing.data.length === 0) {
    return (
      <p className="text-muted">
        <Trans>Nothing: neither the key nor those above it have limits.</Trans>
      </p>
    );
  }
  return <Standing limits={standing.data} />;
}
