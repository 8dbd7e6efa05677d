import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { LimitsForm } from "./LimitsForm";
import { useLimitsOfGroup } from "./limits";
import { useIsAdmin } from "./session";
import { Standing } from "./Standing";

/** What a team may use and used; administrators set it. */
export function TeamLimits({ id }: { id: string }) {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  const limits = useLimitsOfGroup(id);
  const [editing, setEditing] = useState(false);
  const own = limits.data?.find(({ subject_kind }) => subject_kind === "group") ?? null;
  return (
    <Section
      title={t`Budget and limits`}
      intro={isAdmin ? undefined : t`Administrators set them; you may limit the team’s keys below.`}
    >
      {limits.isPending ? <Skeleton lines={2} /> : null}
      {limits.isError ? <ErrorState error={limits.error} retry={() => void limits.refetch()} /> : null}
      {limits.data ? <Standing limits={limits.data} /> : null}
      {limits.data && !own ? (
        <p className="text-muted">
          <Trans>The team has no limits of its own.</Trans>
        </p>
      ) : null}
      {isAdmin && limits.data ? (
        <Button small className="self-start" onClick={() => setEditing(true)}>
          {own ? <Trans>Change limits</Trans> : <Trans>Set limits</Trans>}
        </Button>
      ) : null}
      <Dialog open={editing} onClose={() => setEditing(false)} title={t`Budget and limits`} wide>
        <LimitsForm
          subject={{ kind: "group", id }}
          limits={own}
          note={t`For all members and keys of the team together.`}
          onDone={() => setEditing(false)}
        />
      </Dialog>
    </Section>
  );
}
