import { Trans, useLingui } from "@lingui/react/macro";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Ellipsis, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import type { GroupInfo } from "@/api/types";
import { listing } from "@/i18n/format";
import { Page } from "@/shell/Page";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { Skeleton } from "@/ui/Skeleton";
import { toastError } from "@/ui/toasts";

import { KeyForm } from "./KeyForm";
import { KeyList } from "./KeyList";
import { useDeleteGroup, useGroups } from "./people";
import { useIsAdmin } from "./session";
import { TeamForm } from "./TeamForm";
import { TeamLimits } from "./TeamLimits";
import { TeamMembers } from "./TeamMembers";
import { TeamModels } from "./TeamModels";

/** `/teams/…`: one team, for administrators and for who manages it. */
export function TeamPage() {
  const { t } = useLingui();
  const { teamId } = useParams({ strict: false });
  const groups = useGroups();
  const group = groups.data?.find(({ id }) => id === teamId);
  if (group) return <Team group={group} />;
  return (
    <Page title={t`Team`}>
      {groups.isPending ? <Skeleton lines={4} /> : null}
      {groups.isError ? <ErrorState error={groups.error} retry={() => void groups.refetch()} /> : null}
      {groups.isSuccess ? (
        <p className="text-muted">
          <Trans>There is no such team, or you do not manage it.</Trans>
        </p>
      ) : null}
    </Page>
  );
}

function Team({ group }: { group: GroupInfo }) {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  const navigate = useNavigate();
  const [window, setWindow] = useState<"edit" | "delete" | "key" | null>(null);
  const remove = useDeleteGroup();
  const close = () => setWindow(null);
  return (
    <Page title={group.name}>
      <div className="-mt-2 mb-8 flex items-center justify-between gap-4 text-sm text-muted">
        <p className="flex min-w-0 flex-wrap gap-x-3">
          {isAdmin ? (
            <Link to="/admin/$section" params={{ section: "teams" }} className="text-ember hover:underline">
              <Trans>All teams</Trans>
            </Link>
          ) : null}
          {group.tags.length > 0 ? <span>{t`tags: ${listing(group.tags)}`}</span> : null}
        </p>
        {isAdmin ? (
          <Menu
            trigger={
              <IconButton small tip="none" label={t`More for ${group.name}`} icon={<Ellipsis size={16} />} />
            }
            entries={[
              {
                id: "edit",
                icon: <Pencil size={16} />,
                name: t`Name and tags`,
                run: () => setWindow("edit"),
              },
              {
                id: "delete",
                icon: <Trash2 size={16} />,
                name: t`Delete`,
                danger: true,
                run: () => setWindow("delete"),
              },
            ]}
          />
        ) : null}
      </div>
      <div className="flex flex-col gap-10">
        <TeamLimits id={group.id} />
        <TeamMembers group={group} />
        <TeamModels group={group} />
        <Section title={t`API keys`} intro={t`They belong to the team and stay when people leave.`}>
          <Button className="self-start" onClick={() => setWindow("key")}>
            <Plus size={16} aria-hidden />
            <Trans>Create a key</Trans>
          </Button>
          <KeyList whose={{ kind: "group", id: group.id }} empty={<Trans>This team has no keys.</Trans>} />
        </Section>
      </div>
      <Dialog open={window === "key"} onClose={close} title={t`Create an API key`} wide>
        <KeyForm teams={[group]} team={group.id} onDone={close} />
      </Dialog>
      <Dialog open={window === "edit"} onClose={close} title={t`Edit ${group.name}`}>
        <TeamForm group={group} onDone={close} />
      </Dialog>
      <Confirm
        open={window === "delete"}
        title={t`Delete ${group.name}?`}
        act={t`Delete`}
        busy={remove.isPending}
        onCancel={close}
        onConfirm={() =>
          remove.mutate(group.id, {
            onSuccess: () => void navigate({ to: "/admin/$section", params: { section: "teams" } }),
            onError: toastError,
            onSettled: close,
          })
        }
      >
        <Trans>
          Its keys are refused at once. Its members stay, without the models and the budget it gave them.
        </Trans>
      </Confirm>
    </Page>
  );
}
