import { Trans, useLingui } from "@lingui/react/macro";

import type { PullInfo } from "@/api/types";
import { bytes, duration } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { inWords } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { ProgressBar } from "@/ui/ProgressBar";
import { toastError } from "@/ui/toasts";

import { useCancelPull, usePull } from "./queries";

/** One pull: how far it is, or why it failed. */
export function PullRow({ pull }: { pull: PullInfo }) {
  const { t } = useLingui();
  const cancel = useCancelPull();
  const again = usePull();
  const name = pull.model || pull.source;
  if (pull.status === "failed") {
    return (
      <li>
        <Notice
          look="error"
          action={
            <Button
              small
              busy={again.isPending}
              onClick={() =>
                again.mutate(
                  { source: pull.source, ...(pull.model ? { name: pull.model } : {}) },
                  { onError: toastError },
                )
              }
            >
              <Trans>Try again</Trans>
            </Button>
          }
        >
          <span className="font-medium">{name}</span>:{" "}
          {inWords({ message: pull.error ?? "", code: pull.error_code })}
        </Notice>
      </li>
    );
  }
  const known = pull.total > 0;
  return (
    <li className="flex flex-col gap-2">
      <div className="flex items-baseline gap-3">
        <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
        <span className="text-sm text-muted tabular-nums">
          {known ? (
            <Trans>
              {bytes(pull.completed)} of {bytes(pull.total)}
            </Trans>
          ) : (
            pull.message
          )}
        </span>
        {pull.speed > 0 ? (
          <span className="text-sm text-muted tabular-nums">
            {pull.seconds_left === null ? (
              <Trans>{bytes(pull.speed)}/s</Trans>
            ) : (
              <Trans>
                {bytes(pull.speed)}/s, {duration(pull.seconds_left * 1000)} left
              </Trans>
            )}
          </span>
        ) : null}
        <Button small busy={cancel.isPending} onClick={() => cancel.mutate(pull.id, { onError: toastError })}>
          <Trans>Cancel</Trans>
        </Button>
      </div>
      <ProgressBar label={t`Getting ${name}`} value={known ? pull.completed / pull.total : null} />
    </li>
  );
}
