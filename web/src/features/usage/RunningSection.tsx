import { Trans, useLingui } from "@lingui/react/macro";

import { useIsAdmin } from "@/features/accounts/session";
import { number } from "@/i18n/format";
import { Section } from "@/shell/Section";
import { ErrorState } from "@/ui/ErrorState";
import { Notice } from "@/ui/Notice";
import { Skeleton } from "@/ui/Skeleton";

import { RunningRow } from "./RunningRow";
import { useRunning } from "./useRunning";

/** What runs now: an administrator sees everybody's calls, others their own. */
export function RunningSection() {
  const { t } = useLingui();
  const admin = useIsAdmin();
  const { running, connected, error } = useRunning();
  const more = running ? running.total - running.calls.length : 0;
  return (
    <Section
      title={t`Running now`}
      intro={
        admin
          ? t`The calls under way on this server, the oldest first. What is said in them is not shown.`
          : t`Your calls under way, the oldest first.`
      }
    >
      {error ? <ErrorState error={error} /> : null}
      {!connected && !error ? (
        <Notice look="warning">
          <Trans>The connection was lost; this is how it was. Trying again…</Trans>
        </Notice>
      ) : null}
      {!running && !error ? <Skeleton lines={3} /> : null}
      {running?.total === 0 ? (
        <p className="text-muted">
          <Trans>Nothing runs at the moment. Calls show here as they come.</Trans>
        </p>
      ) : null}
      {running && running.total > 0 ? (
        <>
          <ul aria-label={t`Running now`} className="divide-y divide-line border-y border-line">
            {running.calls.map((call) => (
              <RunningRow key={call.call_id} call={call} showUser={admin} />
            ))}
          </ul>
          {more > 0 ? <p className="text-sm text-muted">{t`and ${number(more)} more`}</p> : null}
        </>
      ) : null}
    </Section>
  );
}
