import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { RunningCall } from "@/api/types";
import { compact, duration } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { toastError } from "@/ui/toasts";

import { useStopCall } from "./useRunning";

/** A call under way: who asks what of whom, how far it is, and a way to stop it. */
export function RunningRow({ call, showUser }: { call: RunningCall; showUser: boolean }) {
  const { t } = useLingui();
  const [asking, setAsking] = useState(false);
  const stop = useStopCall();
  const model = call.model ?? call.asked;
  const { user, attempts } = call;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium break-words">{model}</p>
        <p className="flex flex-wrap gap-x-3 text-sm text-muted">
          {showUser && user ? <span>{user}</span> : null}
          {call.provider ? <span>{call.provider}</span> : null}
          <span>{call.source}</span>
          {call.route ? <span>{t`by route ${call.route}`}</span> : null}
          {attempts > 1 ? <span>{t`attempt ${attempts}`}</span> : null}
        </p>
      </div>
      <p className="flex shrink-0 flex-wrap gap-x-3 text-sm tabular-nums">
        {call.ttft_ms === null ? (
          <span className="text-muted">{t`waits for its first token`}</span>
        ) : (
          <>
            <span className="text-muted">{t`first token ${duration(call.ttft_ms)}`}</span>
            <span>{t`${compact(call.output_tokens)} tokens`}</span>
          </>
        )}
        <span>{duration(call.running_ms)}</span>
      </p>
      <Button small aria-label={t`Stop the call to ${model}`} onClick={() => setAsking(true)}>
        <Trans>Stop</Trans>
      </Button>
      <Confirm
        open={asking}
        title={t`Stop this call?`}
        act={t`Stop`}
        busy={stop.isPending}
        onCancel={() => setAsking(false)}
        onConfirm={() =>
          stop.mutate(call.call_id, { onError: toastError, onSettled: () => setAsking(false) })
        }
      >
        <Trans>Its caller is told so; what it used so far is counted.</Trans>
      </Confirm>
    </li>
  );
}
