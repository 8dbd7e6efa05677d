import { Popover } from "@base-ui/react/popover";
import { Trans, useLingui } from "@lingui/react/macro";
import { Cloud, HardDrive, Plus, Split } from "lucide-react";
import { useState } from "react";

import type { RouteInfo } from "@/api/types";
import { ModelFacts } from "@/features/models/ModelFacts";
import { useModels } from "@/features/models/queries";
import { Button } from "@/ui/Button";
import { SearchList } from "@/ui/SearchList";

/** Chooses a model, or another route, from all there are. */
export function AddTarget({
  without,
  routes,
  onAdd,
}: {
  without: readonly string[];
  routes: readonly RouteInfo[];
  onAdd: (name: string) => void;
}) {
  const { t } = useLingui();
  const [open, setOpen] = useState(false);
  const [query, setQuery] = useState("");
  const models = useModels();
  const words = query.trim().toLowerCase();
  const isRoute = (name: string) => routes.some((route) => route.name === name);
  const items = (models.data ?? [])
    .filter(({ name }) => !without.includes(name))
    .filter(({ name, provider }) => `${name} ${provider}`.toLowerCase().includes(words))
    .sort((a, b) => Number(b.local) - Number(a.local) || a.name.localeCompare(b.name))
    .map((model) => ({ id: model.name, model }));
  return (
    <Popover.Root
      open={open}
      onOpenChange={(next) => {
        setOpen(next);
        setQuery("");
      }}
    >
      <Popover.Trigger render={<Button className="self-start" />}>
        <Plus size={16} aria-hidden />
        <Trans>Add a model</Trans>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="start" sideOffset={4} collisionPadding={8} className="z-30">
          <Popover.Popup
            aria-label={t`Add a model`}
            className="floating flex max-h-[min(60dvh,var(--available-height))] min-h-24 w-[min(28rem,calc(100vw-32px))] flex-col overflow-hidden"
          >
            <SearchList
              label={t`Search models and routes`}
              placeholder={t`Search models and routes…`}
              query={query}
              onQuery={setQuery}
              items={items}
              empty={words ? t`No model is called that.` : t`There is no other model.`}
              onPick={({ id }) => {
                onAdd(id);
                setOpen(false);
              }}
            >
              {({ model }) => {
                const Icon = isRoute(model.name) ? Split : model.local ? HardDrive : Cloud;
                return (
                  <>
                    <Icon size={16} aria-hidden className="shrink-0 text-muted" />
                    <span className="min-w-0 flex-1">
                      <span className="block truncate">{model.name}</span>
                      <ModelFacts model={model} />
                    </span>
                  </>
                );
              }}
            </SearchList>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
