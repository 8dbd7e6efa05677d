import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Ellipsis, Pencil, Power, Trash2 } from "lucide-react";
import { useState } from "react";

import type { Provider, ProviderKind, ProviderTest } from "@/api/types";
import { useRoutes } from "@/features/routes/queries";
import { listing } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { Dialog } from "@/ui/Dialog";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { ChooseModels } from "./ChooseModels";
import { ProviderForm } from "./ProviderForm";
import { useChangeProvider, useRemoveProvider, useTestProvider } from "./providers";
import { TestResult } from "./TestResult";

/** One provider: its models, and what one can do with it. */
export function ProviderRow({ provider, kind }: { provider: Provider; kind: ProviderKind | undefined }) {
  const { t } = useLingui();
  const [window, setWindow] = useState<"edit" | "models" | "remove" | null>(null);
  const change = useChangeProvider();
  const remove = useRemoveProvider();
  const close = () => setWindow(null);
  const routes = useRoutes({ enabled: window === "remove" });
  const broken = (routes.data ?? []).filter(({ definition }) =>
    definition.targets.some((target) => provider.models.some((model) => model.public_name === target.model)),
  );
  const [test, setTest] = useState<ProviderTest | null>(null);
  const attempt = useTestProvider();
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
        {test ? <TestResult test={test} /> : null}
      </div>
      <div className="flex items-center gap-1">
        <Button
          small
          busy={attempt.isPending}
          onClick={() =>
            attempt.mutate(
              { id: provider.id, kind: provider.kind, model: null },
              { onSuccess: setTest, onError: toastError },
            )
          }
        >
          <Trans>Test</Trans>
        </Button>
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
      <Dialog open={window === "edit"} onClose={close} title={t`Edit ${provider.name}`} wide>
        {kind ? <ProviderForm kind={kind} provider={provider} onCancel={close} onDone={close} /> : null}
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
        {provider.models.length > 0 ? (
          <p className="mt-2">
            <Trans>Gone then: {listing(provider.models.map((model) => model.public_name))}</Trans>
          </p>
        ) : null}
        {broken.length > 0 ? (
          <p className="mt-2 text-danger">
            <Trans>
              These routes ask them and lose targets: {listing(broken.map((route) => route.name))}
            </Trans>
          </p>
        ) : null}
      </Confirm>
    </li>
  );
}
