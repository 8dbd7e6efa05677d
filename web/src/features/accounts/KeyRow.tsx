import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Ellipsis, Gauge, Pencil, RefreshCw, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";

import type { KeyInfo, LimitsInfo } from "@/api/types";
import { date, dateTime, listing } from "@/i18n/format";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { KeyForm } from "./KeyForm";
import { useRevokeKey } from "./keys";
import { KeyStanding } from "./KeyStanding";
import { LimitBars } from "./LimitBars";
import { NewSecret } from "./NewSecret";

type Window = "edit" | "secret" | "standing" | "revoke" | null;

export interface KeyRowProps {
  item: KeyInfo;
  limits: LimitsInfo | null;
  /** Whether to say whose it is. */
  owned?: boolean;
  /** Whether one may give it a new secret: who has the secret acts as its owner. */
  rotates: boolean;
}

export function KeyRow({ item, limits, owned = false, rotates }: KeyRowProps) {
  const { t } = useLingui();
  const [window, setWindow] = useState<Window>(null);
  const revoke = useRevokeKey();
  const close = () => setWindow(null);
  const [now] = useState(() => Date.now());
  const facts: ReactNode[] = [
    <code key="prefix" className="font-mono">
      {item.prefix}…
    </code>,
    owned ? <span key="owner">{item.group_id ? t`team ${item.owner}` : item.owner}</span> : null,
    <span key="used">{item.last_used_at ? t`last used ${dateTime(item.last_used_at)}` : t`never used`}</span>,
    <span key="made">{t`created ${date(item.created_at)}`}</span>,
    item.expires_at ? <Expires key="ends" at={item.expires_at} now={now} /> : null,
    item.models ? (
      <span key="models" title={listing(item.models)}>
        <Plural value={item.models.length} _0="no models" one="# model" other="# models" />
      </span>
    ) : null,
    item.tags.length > 0 ? <span key="tags">{t`tags: ${listing(item.tags)}`}</span> : null,
    item.former_until && item.former_until > now ? (
      <span key="former">{t`the former secret holds until ${dateTime(item.former_until)}`}</span>
    ) : null,
  ];
  return (
    <li className="flex items-start gap-3 py-3">
      <div className="flex min-w-0 flex-1 flex-col gap-2">
        <div>
          <p className="font-medium break-words">{item.name}</p>
          <p className="flex flex-wrap gap-x-3 text-xs text-muted">{facts}</p>
        </div>
        {limits ? <LimitBars limits={limits} columns /> : null}
      </div>
      <Menu
        trigger={
          <IconButton small tip="none" label={t`More for ${item.name}`} icon={<Ellipsis size={16} />} />
        }
        entries={[
          { id: "edit", icon: <Pencil size={16} />, name: t`Edit`, run: () => setWindow("edit") },
          {
            id: "standing",
            icon: <Gauge size={16} />,
            name: t`What limits it`,
            run: () => setWindow("standing"),
          },
          ...(rotates
            ? [
                {
                  id: "secret",
                  icon: <RefreshCw size={16} />,
                  name: t`New secret`,
                  run: () => setWindow("secret"),
                },
              ]
            : []),
          {
            id: "revoke",
            icon: <Trash2 size={16} />,
            name: t`Revoke`,
            danger: true,
            run: () => setWindow("revoke"),
          },
        ]}
      />
      <Dialog open={window === "edit"} onClose={close} title={t`Edit ${item.name}`} wide>
        <KeyForm item={item} limits={limits} onDone={close} />
      </Dialog>
      <Dialog open={window === "standing"} onClose={close} title={t`What limits ${item.name}`}>
        <KeyStanding id={item.id} />
      </Dialog>
      <Dialog open={window === "secret"} onClose={close} title={t`A new secret for ${item.name}`} wide>
        <NewSecret item={item} limits={limits} onDone={close} />
      </Dialog>
      <Confirm
        open={window === "revoke"}
        title={t`Revoke ${item.name}?`}
        act={t`Revoke`}
        busy={revoke.isPending}
        onCancel={close}
        onConfirm={() => revoke.mutate(item.id, { onError: toastError, onSettled: close })}
      >
        <Trans>Programs that use it are refused at once.</Trans>
      </Confirm>
    </li>
  );
}

function Expires({ at, now }: { at: number; now: number }) {
  const { t } = useLingui();
  if (at <= now) return <span className="font-medium text-danger">{t`expired ${date(at)}`}</span>;
  return <span>{t`expires ${date(at)}`}</span>;
}
