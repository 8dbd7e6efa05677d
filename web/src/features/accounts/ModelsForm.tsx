import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";

import { ModelsField } from "./ModelsField";
import { useSetModels } from "./people";

export interface ModelsFormProps {
  kind: "everyone" | "group";
  id: string;
  models: string[] | null;
  all: string;
  note: string;
  onDone: () => void;
}

/** Chooses the models that everyone, or a team, may use. */
export function ModelsForm({ kind, id, models, all, note, onDone }: ModelsFormProps) {
  const { t } = useLingui();
  const [chosen, setChosen] = useState(models);
  const set = useSetModels(kind, id);
  return (
    <div className="flex flex-col gap-5">
      <ModelsField legend={t`Models`} all={all} some={t`Only these`} models={chosen} onChange={setChosen} />
      <p className="text-sm text-muted">{note}</p>
      {set.error ? <Notice look="error">{explain(set.error)}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" busy={set.isPending} onClick={() => set.mutate(chosen, { onSuccess: onDone })}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </div>
  );
}
