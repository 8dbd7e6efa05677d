import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Ellipsis, Pencil, Power, Trash2 } from "lucide-react";
import { useState } from "react";

import type { Provider, ProviderKind } from "@/api/types";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { ChooseModels } from "./ChooseModels";
import { ProviderForm } from "./ProviderForm";
import { useChangeProvider, useRemoveProvider } from "./providers";

/** One provider: its models, and what one can do with it. */
export function ProviderRow({ provider, kind }: { provider: Provider; kind: ProviderKind | undefined }) {
  const { t } = useLingui();
  const [window, setWindow] = useState<"edit" | "models" | "remove" | null>(null);
  const change = useChangeProvider();
  const remove = useRemoveProvider();
  const close = () => setWindow(null);
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium break-words">{provider.name}</p>
        <p className="text-sm text-muted">
          {kind?.title ?? provider.kind} ·{" "}
          {provider.enabled ? (
            <Plural value={provider.models.length} _0="no model chosen yet" one="# model" other="# models" />
          ) : (
            <Trans>switched off</Trans>
          )}
        </p>
        {provider.problem ? <p className="text-sm text-danger">{provider.problem}</p> : null}
      </div>
      <div className="flex items-center gap-1">
        <Button small disabled={!provider.enabled} onClick={() => setWindow("models")}>
          <Trans>Choose models</Trans>
        </Button>
        <Menu
          trigger={
            <IconButton small tip="none" label={t`More for ${provider.name}`} icon={<Ellipsis size={16} />} />
          }
          entries={[
            { id: "edit", icon: <Pencil size={16} />, name: t`Edit`, run: () => setWindow("edit") },
            {
              id: "switch",
              icon: <Power size={16} />,
              name: provider.enabled ? t`Switch off` : t`Switch on`,
              run: () =>
                change.mutate({ id: provider.id, enabled: !provider.enabled }, { onError: toastError }),
            },
            {
              id: "remove",
              icon: <Trash2 size={16} />,
              name: t`Remove`,
              danger: true,
              run: () => setWindow("remove"),
            },
          ]}
        />
      </div>
      <Dialog open={window === "edit"} onClose={close} title={t`Edit ${provider.name}`}>
        <ProviderForm kinds={kind ? [kind] : []} provider={provider} onDone={close} />
      </Dialog>
      <Dialog
        open={window === "models"}
        onClose={close}
        title={t`Models of ${provider.name}`}
        description={t`Those you choose can be picked in every chat and through the API.`}
        wide
      >
        <ChooseModels provider={provider} onDone={close} />
      </Dialog>
      <Confirm
        open={window === "remove"}
        title={t`Remove ${provider.name}?`}
        act={t`Remove`}
        busy={remove.isPending}
        onCancel={close}
        onConfirm={() => remove.mutate(provider.id, { onError: toastError, onSettled: close })}
      >
        <Trans>Its key is deleted and its models can no longer be used. Conversations with them stay.</Trans>
      </Confirm>
    </li>
  );
}
