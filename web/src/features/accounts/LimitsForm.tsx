import { Trans } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { LimitsInfo } from "@/api/types";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";

import { LimitFields } from "./LimitFields";
import { type Subject, useCurrency, useSetLimits } from "./limits";
import { fromLimitsForm, toLimitsForm } from "./limitsForm";

/** Sets how much somebody may use, at once. */
export function LimitsForm({
  subject,
  limits,
  note,
  onDone,
}: {
  subject: Subject;
  /** What it has of its own now. */
  limits: LimitsInfo | null;
  note?: string | undefined;
  onDone: () => void;
}) {
  const currency = useCurrency();
  const [form, setForm] = useState(() => toLimitsForm(limits));
  const set = useSetLimits(subject);
  const { limits: wanted, wrong, any } = fromLimitsForm(form);
  const field = set.error instanceof ApiError ? (set.error.field ?? "") : "";
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (wrong.size > 0) return;
    // A user without any limit of their own has the default ones: to be without limit is something else.
    if (!any && subject.kind !== "user" && limits === null) onDone();
    else set.mutate(any || subject.kind === "user" ? wanted : null, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      {note ? <p className="text-sm text-muted">{note}</p> : null}
      <LimitFields
        form={form}
        wrong={wrong}
        currency={currency}
        refused={field ? { name: field, why: explain(set.error) } : null}
        onChange={setForm}
      />
      {set.error && !field ? <Notice look="error">{explain(set.error)}</Notice> : null}
      <div className="flex flex-wrap justify-end gap-2">
        {subject.kind === "user" && limits ? (
          <Button look="quiet" className="mr-auto" onClick={() => set.mutate(null, { onSuccess: onDone })}>
            <Trans>Back to the default</Trans>
          </Button>
        ) : null}
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={set.isPending} disabled={wrong.size > 0}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </form>
  );
}
