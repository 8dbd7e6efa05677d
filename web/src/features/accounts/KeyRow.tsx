import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { KeyInfo } from "@/api/types";
import { date, dateTime } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { toastError } from "@/ui/toasts";

import { useRevokeKey } from "./keys";

export function KeyRow({ item }: { item: KeyInfo }) {
  const { t } = useLingui();
  const [asking, setAsking] = useState(false);
  const revoke = useRevokeKey();
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium break-words">{item.name}</p>
        <p className="flex flex-wrap gap-x-2 text-xs text-muted">
          <code className="font-mono">{item.prefix}…</code>
          <span>{t`created ${date(item.created_at)}`}</span>
          <span>{item.last_used_at ? t`last used ${dateTime(item.last_used_at)}` : t`never used`}</span>
          {item.expires_at ? <span>{t`expires ${date(item.expires_at)}`}</span> : null}
        </p>
      </div>
      <Button small onClick={() => setAsking(true)}>
        <Trans>Revoke</Trans>
      </Button>
      <Confirm
        open={asking}
        title={t`Revoke ${item.name}?`}
        act={t`Revoke`}
        busy={revoke.isPending}
        onCancel={() => setAsking(false)}
        onConfirm={() => revoke.mutate(item.id, { onError: toastError, onSettled: () => setAsking(false) })}
      >
        <Trans>Programs that use it are refused at once.</Trans>
      </Confirm>
    </li>
  );
}
