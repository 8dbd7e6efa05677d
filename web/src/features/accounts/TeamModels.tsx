import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import type { GroupInfo } from "@/api/types";
import { listing } from "@/i18n/format";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { ModelsForm } from "./ModelsForm";
import { useTeamModels } from "./people";
import { useIsAdmin } from "./session";

/** Which models a team may use: what everyone may, and what it was given besides. Never fewer than everyone. */
export function TeamModels({ group }: { group: GroupInfo }) {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  const models = useTeamModels(group.id);
  const [editing, setEditing] = useState(false);
  if (models.isError) return <ErrorState error={models.error} retry={() => void models.refetch()} />;
  const { everyone, own } = models.data ?? { everyone: null, own: [] };
  const all = everyone === null || own === null;
  return (
    <Section title={t`Models`}>
      {models.isPending ? <Skeleton lines={1} /> : null}
      {models.data ? (
        <div className="flex flex-col gap-1">
          <p className="break-words">
            {all ? (
              <Trans>All models</Trans>
            ) : (
              listing([...new Set([...everyone, ...own])].sort()) || <Trans>None</Trans>
            )}
          </p>
          <p className="text-sm text-muted">
            {everyone === null ? (
              <Trans>Everyone here may use all models, so the team needs none of its own.</Trans>
            ) : own === null ? (
              <Trans>The team was given all models.</Trans>
            ) : (
              <Trans>
                {everyone.length} that everyone may use, {own.length} that the team was given.
              </Trans>
            )}
          </p>
        </div>
      ) : null}
      {isAdmin && models.data ? (
        everyone === null ? (
          <p className="text-sm">
            <Link to="/admin/$section" params={{ section: "teams" }} className="text-ember hover:underline">
              <Trans>Change what everyone may use</Trans>
            </Link>
          </p>
        ) : (
          <Button small className="self-start" onClick={() => setEditing(true)}>
            <Trans>Change the team’s models</Trans>
          </Button>
        )
      ) : null}
      <Dialog open={editing} onClose={() => setEditing(false)} title={t`Models of ${group.name}`} wide>
        <ModelsForm
          kind="group"
          id={group.id}
          models={own}
          all={t`All models, also those that will be added`}
          note={t`Besides what everyone may use.`}
          onDone={() => setEditing(false)}
        />
      </Dialog>
    </Section>
  );
}
