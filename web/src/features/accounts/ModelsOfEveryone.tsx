import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { listing } from "@/i18n/format";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";

import { ModelsForm } from "./ModelsForm";
import { useModelsOfEveryone } from "./people";

/** Which models everyone may use: teams get theirs besides, so this is what makes a team's choice mean something. */
export function ModelsOfEveryone() {
  const { t } = useLingui();
  const [editing, setEditing] = useState(false);
  const models = useModelsOfEveryone();
  if (models.data === undefined) return null;
  return (
    <Section
      title={t`Models everyone may use`}
      intro={t`A team’s models come besides these. To keep a model to some teams, take it away here and give it to them.`}
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p className="min-w-0 flex-1 break-words">
          {models.data === null ? (
            <Trans>All models, also those that will be added</Trans>
          ) : models.data.length === 0 ? (
            <Trans>None: only those a team was given</Trans>
          ) : (
            listing(models.data)
          )}
        </p>
        <Button small onClick={() => setEditing(true)}>
          <Trans>Change</Trans>
        </Button>
      </div>
      <Dialog open={editing} onClose={() => setEditing(false)} title={t`Models everyone may use`} wide>
        <ModelsForm
          kind="everyone"
          id="-"
          models={models.data}
          all={t`All models, also those that will be added`}
          note={t`Who is in no team that was given a model loses it at once, with their keys. Administrators keep all.`}
          onDone={() => setEditing(false)}
        />
      </Dialog>
    </Section>
  );
}
