import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Link, useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { type SubmitEvent, useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { explain } from "@/ui/explain";
import { Skeleton } from "@/ui/Skeleton";
import { TextField } from "@/ui/TextField";

import { LimitBars } from "./LimitBars";
import { useLimitsOfTeams } from "./limits";
import { ModelsOfEveryone } from "./ModelsOfEveryone";
import { useAddGroup, useGroups } from "./people";

/** From so many teams on a search is of use. */
const MANY = 8;

/** Admin > Teams: each with its people, keys and what is left of its budget. */
export function TeamsSection() {
  const { t } = useLingui();
  const groups = useGroups();
  const limits = useLimitsOfTeams();
  const [query, setQuery] = useState("");
  const [adding, setAdding] = useState(false);
  if (groups.isError) return <ErrorState error={groups.error} retry={() => void groups.refetch()} />;
  if (!groups.data) return <Skeleton lines={4} />;
  const words = query.trim().toLowerCase();
  const shown = groups.data.filter(({ name }) => name.toLowerCase().includes(words));
  return (
    <div className="flex flex-col gap-10">
      <Section
        title={t`Teams`}
        intro={t`A team pays for what its members and its own keys use, and may be given models that others have not.`}
      >
        <Button look="primary" className="self-start" onClick={() => setAdding(true)}>
          <Plus size={16} aria-hidden />
          <Trans>Add a team</Trans>
        </Button>
        {groups.data.length > MANY ? (
          <TextField
            label={t`Search teams`}
            type="search"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
        ) : null}
        {shown.length === 0 ? (
          <p className="text-muted">
            {query ? <Trans>No team is found.</Trans> : <Trans>There are no teams yet.</Trans>}
          </p>
        ) : (
          <ul className="divide-y divide-line border-y border-line">
            {shown.map((group) => {
              const own = limits.data?.get(group.id);
              return (
                <li key={group.id} className="flex flex-col gap-2 py-3">
                  <div>
                    <Link
                      to="/teams/$teamId"
                      params={{ teamId: group.id }}
                      className="font-medium break-words hover:text-ember"
                    >
                      {group.name}
                    </Link>
                    <p className="flex flex-wrap gap-x-3 text-xs text-muted">
                      <span>
                        <Plural
                          value={group.members.length}
                          _0="no members"
                          one="# member"
                          other="# members"
                        />
                      </span>
                      <span>
                        <Plural value={group.keys} _0="no keys" one="# key" other="# keys" />
                      </span>
                      {group.managers.length === 0 ? (
                        <span>
                          <Trans>managed by administrators</Trans>
                        </span>
                      ) : null}
                      {own ? null : (
                        <span>
                          <Trans>no limits of its own</Trans>
                        </span>
                      )}
                    </p>
                  </div>
                  {own ? <LimitBars limits={own} columns /> : null}
                </li>
              );
            })}
          </ul>
        )}
      </Section>
      <ModelsOfEveryone />
      <Dialog open={adding} onClose={() => setAdding(false)} title={t`Add a team`}>
        <NewTeam onDone={() => setAdding(false)} />
      </Dialog>
    </div>
  );
}

function NewTeam({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const add = useAddGroup();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    add.mutate(
      { name: name.trim() },
      { onSuccess: ({ id }) => void navigate({ to: "/teams/$teamId", params: { teamId: id } }) },
    );
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`Name`}
        error={add.error ? explain(add.error) : undefined}
        required
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={add.isPending} disabled={!name.trim()}>
          <Trans>Add</Trans>
        </Button>
      </div>
    </form>
  );
}
