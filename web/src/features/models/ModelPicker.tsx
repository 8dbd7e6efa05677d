import { Popover } from "@base-ui/react/popover";
import { Trans, useLingui } from "@lingui/react/macro";
import { ChevronDown } from "lucide-react";
import { lazy, Suspense, useState } from "react";

const ModelChoice = lazy(() => import("./ModelChoice").then(({ ModelChoice }) => ({ default: ModelChoice })));

export interface ModelPickerProps {
  model: string | null;
  onPick: (name: string) => void;
}

/** Which model answers; opens a searchable list. */
export function ModelPicker({ model, onPick }: ModelPickerProps) {
  const { t } = useLingui();
  const [open, setOpen] = useState(false);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger
        aria-label={model ? t`Model: ${model}` : t`Choose a model`}
        className="-ml-2 inline-flex min-h-9 min-w-0 items-center gap-1.5 rounded px-2 font-medium hover:bg-hover data-popup-open:bg-hover"
      >
        <span className="truncate">{model ?? <Trans>Choose a model</Trans>}</span>
        <ChevronDown size={15} aria-hidden className="shrink-0 text-muted" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="start" sideOffset={4} className="z-30">
          <Popover.Popup
            aria-label={t`Models`}
            className="floating flex max-h-[min(60dvh,var(--available-height))] min-h-24 w-[min(26rem,calc(100vw-32px))] flex-col overflow-hidden"
          >
            <Suspense>
              <ModelChoice
                current={model}
                onPick={(name) => {
                  setOpen(false);
                  if (name !== model) onPick(name);
                }}
                onLeave={() => setOpen(false)}
              />
            </Suspense>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
