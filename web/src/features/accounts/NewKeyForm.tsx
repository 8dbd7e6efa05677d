import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { SelectField } from "@/ui/SelectField";
import { TextField } from "@/ui/TextField";

import { KeyMade } from "./KeyMade";
import { useMakeKey } from "./keys";

const DAY_MS = 86_400_000;

/** Makes a key, and then shows it: the only time it can be seen. */
export function NewKeyForm({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const [name, setName] = useState("");
  const [days, setDays] = useState("0");
  const make = useMakeKey();
  if (make.data) return <KeyMade secret={make.data.key} onDone={onDone} />;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const expires_at = days === "0" ? null : Date.now() + Number(days) * DAY_MS;
    make.mutate({ name: name.trim(), expires_at });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`Name`}
        hint={t`What the key is for, so that you know later which one to revoke.`}
        placeholder={t`my editor`}
        error={make.isError ? explain(make.error) : undefined}
        required
        maxLength={120}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <SelectField label={t`Valid`} value={days} onChange={(event) => setDays(event.target.value)}>
        <option value="0">{t`until revoked`}</option>
        <option value="30">{t`30 days`}</option>
        <option value="90">{t`90 days`}</option>
        <option value="365">{t`a year`}</option>
      </SelectField>
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={make.isPending} disabled={!name.trim()}>
          <Trans>Create</Trans>
        </Button>
      </div>
    </form>
  );
}
