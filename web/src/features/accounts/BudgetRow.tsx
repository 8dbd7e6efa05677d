import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import type { LimitsInfo } from "@/api/types";
import { money } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { toastError } from "@/ui/toasts";

import { LimitBars } from "./LimitBars";
import { LimitsForm } from "./LimitsForm";
import { useRelease } from "./limits";

/** A person, team or key with what they may use and used, and its form. */
export function BudgetRow({ limits }: { limits: LimitsInfo }) {
  const { t } = useLingui();
  const { subject_kind: kind, subject_id: id, name, owner, own } = limits;
  const [window, setWindow] = useState<"edit" | "release" | null>(null);
  const release = useRelease({ kind, id });
  const close = () => setWindow(null);
  const held = (limits.day?.held ?? 0) + (limits.month?.held ?? 0);
  const currency = limits.day?.currency ?? limits.month?.currency ?? "USD";
  const what =
    kind === "group" ? t`team` : kind === "key" ? t`key of ${owner}` : own ? t`person` : t`as each user`;
  return (
    <li className="flex flex-col gap-2 py-3">
      <div className="flex items-start gap-3">
        <p className="min-w-0 flex-1 break-words">
          {kind === "group" ? (
            <Link to="/teams/$teamId" params={{ teamId: id }} className="font-medium hover:text-ember">
              {name}
            </Link>
          ) : (
            <span className="font-medium">{name}</span>
          )}
          <span className="ml-2 text-xs text-muted">{what}</span>
        </p>
        {held > 0 ? (
          <Button small look="quiet" onClick={() => setWindow("release")}>
            <Trans>Release what is held</Trans>
          </Button>
        ) : null}
        <Button small aria-label={t`Change the limits of ${name}`} onClick={() => setWindow("edit")}>
          <Trans>Change</Trans>
        </Button>
      </div>
      <LimitBars limits={limits} columns />
      <Dialog open={window === "edit"} onClose={close} title={t`Limits of ${name}`} wide>
        <LimitsForm
          subject={{ kind, id }}
          limits={own ? limits : null}
          note={
            kind === "user" && !own
              ? t`Until now these are those of each user. What you set here holds instead, all of it.`
              : undefined
          }
          onDone={close}
        />
      </Dialog>
      <Confirm
        open={window === "release"}
        title={t`Release ${money(held, currency)}?`}
        act={t`Release`}
        busy={release.isPending}
        onCancel={close}
        onConfirm={() => release.mutate(undefined, { onError: toastError, onSettled: close })}
      >
        <Trans>
          A server that ended without a word had set it aside. Look at the usage first: what was spent of it
          is then not counted.
        </Trans>
      </Confirm>
    </li>
  );
}
