import { Trans, useLingui } from "@lingui/react/macro";
import { Plus } from "lucide-react";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";

import { KeyForm } from "./KeyForm";
import { KeyList } from "./KeyList";
import { useGroups } from "./people";

/** Admin > Keys: everybody's. Nobody's key is shown here, and only its owner gives it a new secret. */
export function AllKeysSection() {
  const { t } = useLingui();
  const groups = useGroups();
  const [making, setMaking] = useState(false);
  return (
    <Section
      title={t`API keys`}
      intro={t`The keys of all people and teams, newest first. You can limit and revoke them; people make their own.`}
    >
      <Button className="self-start" onClick={() => setMaking(true)}>
        <Plus size={16} aria-hidden />
        <Trans>Create a key</Trans>
      </Button>
      <KeyList whose={{ kind: "everyone" }} empty={<Trans>There are no keys yet.</Trans>} />
      <Dialog open={making} onClose={() => setMaking(false)} title={t`Create an API key`} wide>
        <KeyForm teams={groups.data ?? []} onDone={() => setMaking(false)} />
      </Dialog>
    </Section>
  );
}
