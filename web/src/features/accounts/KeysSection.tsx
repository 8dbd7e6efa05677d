import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { SelectField } from "@/ui/SelectField";

import { KeyForm } from "./KeyForm";
import { KeyList } from "./KeyList";
import { useMe } from "./session";

/** Settings > API keys: one's own, and those of the teams one manages. */
export function KeysSection() {
  const { t } = useLingui();
  const me = useMe();
  const teams = me.groups.filter(({ manages }) => manages);
  const [team, setTeam] = useState("");
  const [making, setMaking] = useState(false);
  return (
    <Section
      title={t`API keys`}
      intro={t`With a key, any program that speaks the OpenAI, Anthropic or Ollama protocol can use the models here.`}
    >
      {teams.length > 0 ? (
        <div className="flex flex-wrap items-end gap-x-4 gap-y-2">
          <SelectField
            className="w-full max-w-96"
            label={t`Whose keys`}
            value={team}
            onChange={(event) => setTeam(event.target.value)}
          >
            <option value="">{t`Mine`}</option>
            {teams.map(({ id, name }) => (
              <option key={id} value={id}>
                {t`The team ${name}’s`}
              </option>
            ))}
          </SelectField>
          {team ? (
            <Link
              to="/teams/$teamId"
              params={{ teamId: team }}
              className="py-2 text-sm text-ember hover:underline"
            >
              <Trans>The team’s page</Trans>
            </Link>
          ) : null}
        </div>
      ) : null}
      <Button look="primary" className="self-start" onClick={() => setMaking(true)}>
        <Plus size={16} aria-hidden />
        <Trans>Create a key</Trans>
      </Button>
      <KeyList
        key={team}
        whose={team ? { kind: "group", id: team } : { kind: "mine" }}
        empty={team ? <Trans>This team has no keys.</Trans> : <Trans>You have no keys.</Trans>}
      />
      <Dialog open={making} onClose={() => setMaking(false)} title={t`Create an API key`} wide>
        <KeyForm teams={teams} team={team} onDone={() => setMaking(false)} />
      </Dialog>
    </Section>
  );
}
