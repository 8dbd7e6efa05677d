import { Trans, useLingui } from "@lingui/react/macro";
import { Ellipsis, Trash2 } from "lucide-react";
import { useState } from "react";

import type { ModelInfo } from "@/api/types";
import { bytes } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { Capabilities } from "./Capabilities";
import { ModelFacts } from "./ModelFacts";
import { ModelState } from "./ModelState";
import { useDeleteModel, useLoadModel, useUnloadModel } from "./queries";

/** One model on this machine: what it is, whether it is in memory, and what one can do with it. */
export function LocalModel({ model, mayManage }: { model: ModelInfo; mayManage: boolean }) {
  const { t } = useLingui();
  const [asking, setAsking] = useState(false);
  const load = useLoadModel();
  const unload = useUnloadModel();
  const remove = useDeleteModel();
  const idle = model.state === "idle";
  const act = idle ? load : unload;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3">
      <div className="min-w-0 flex-1 basis-48">
        <p className="break-words">
          <span className="mr-2 font-medium">{model.name}</span>
          <Capabilities names={model.capabilities} />
        </p>
        <ModelFacts model={model} />
      </div>
      <div className="flex items-center gap-1">
        <ModelState model={model} loading={load.isPending} />
        {mayManage ? (
          <Button
            small
            busy={act.isPending || model.state === "loading"}
            onClick={() => act.mutate(model.name, { onError: toastError })}
          >
            {idle ? <Trans>Load</Trans> : <Trans>Unload</Trans>}
          </Button>
        ) : null}
        {mayManage && !model.built_in ? (
          <Menu
            trigger={
              <IconButton small tip="none" label={t`More for ${model.name}`} icon={<Ellipsis size={16} />} />
            }
            entries={[
              {
                id: "delete",
                icon: <Trash2 size={16} />,
                name: t`Delete`,
                danger: true,
                run: () => setAsking(true),
              },
            ]}
          />
        ) : null}
      </div>
      <Confirm
        open={asking}
        title={t`Delete ${model.name}?`}
        act={t`Delete`}
        busy={remove.isPending}
        onCancel={() => setAsking(false)}
        onConfirm={() =>
          remove.mutate(model.name, { onError: toastError, onSettled: () => setAsking(false) })
        }
      >
        <Trans>
          This frees {bytes(model.size)} of disk space. To use it again you would have to get it again.
        </Trans>
      </Confirm>
    </li>
  );
}
