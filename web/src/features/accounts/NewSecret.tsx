import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { KeyInfo, LimitsInfo } from "@/api/types";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { SelectField } from "@/ui/SelectField";

import { KeyMade } from "./KeyMade";
import { useRotateKey } from "./keys";

/** Gives a key a new secret; its name, limits and history stay. */
export function NewSecret({
  item,
  limits,
  onDone,
}: {
  item: KeyInfo;
  limits: LimitsInfo | null;
  onDone: () => void;
}) {
  const { t } = useLingui();
  const [overlap, setOverlap] = useState("0");
  const rotate = useRotateKey(item.id);
  if (rotate.data) return <KeyMade made={rotate.data} limits={limits} onDone={onDone} />;
  return (
    <div className="flex flex-col gap-5">
      <p className="text-muted">
        <Trans>The key keeps its name, limits and history. Programs must be given the new secret.</Trans>
      </p>
      <SelectField
        label={t`The former secret holds`}
        value={overlap}
        onChange={(event) => setOverlap(event.target.value)}
      >
        <option value="0">{t`no longer: it ends at once`}</option>
        <option value="3600">{t`an hour more`}</option>
        <option value="86400">{t`a day more`}</option>
        <option value="604800">{t`a week more`}</option>
      </SelectField>
      {rotate.error ? <Notice look="error">{explain(rotate.error)}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" busy={rotate.isPending} onClick={() => rotate.mutate(Number(overlap))}>
          <Trans>Make a new secret</Trans>
        </Button>
      </div>
    </div>
  );
}
