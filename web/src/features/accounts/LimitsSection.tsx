import { Trans, useLingui } from "@lingui/react/macro";

import { Section } from "@/shell/Section";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { useStanding } from "./limits";
import { Standing } from "./Standing";

/** Settings > Limits: what one may still use. */
export function LimitsSection() {
  const { t } = useLingui();
  const standing = useStanding();
  return (
    <Section
      title={t`What you may still use`}
      intro={t`A call must fit under all of these. Your API keys may have limits of their own besides.`}
    >
      {standing.isPending ? <Skeleton lines={3} /> : null}
      {standing.isError ? <ErrorState error={standing.error} retry={() => void standing.refetch()} /> : null}
      {standing.data?.limits.length === 0 ? (
        <p className="text-muted">
          <Trans>You have no limits here.</Trans>
        </p>
      ) : null}
      {standing.data && standing.data.limits.length > 0 ? (
        <>
          <Standing limits={standing.data.limits} />
          <p className="text-sm text-muted">
            <Trans>
              Budgets begin anew at midnight in {standing.data.time_zone}; the times above are yours.
            </Trans>
          </p>
        </>
      ) : null}
    </Section>
  );
}
