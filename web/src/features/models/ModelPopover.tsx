import { Popover } from "@base-ui/react/popover";
import { useLingui } from "@lingui/react/macro";
import { type ReactElement, useState } from "react";

import { ModelChoice } from "./ModelChoice";
import type { ModelPickerProps } from "./ModelPicker";

/** The list of models above the page; open when it is first drawn, since a click asked for it. */
export function ModelPopover({ trigger, model, onPick }: ModelPickerProps & { trigger: ReactElement }) {
  const { t } = useLingui();
  const [open, setOpen] = useState(true);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger render={trigger} />
      <Popover.Portal>
        <Popover.Positioner align="start" sideOffset={4} collisionPadding={8} className="z-30">
          <Popover.Popup
            aria-label={t`Models`}
            className="floating flex max-h-[min(60dvh,var(--available-height))] min-h-24 w-[min(26rem,calc(100vw-32px))] flex-col overflow-hidden"
          >
            <ModelChoice
              current={model}
              onPick={(name) => {
                setOpen(false);
                if (name !== model) onPick(name);
              }}
              onLeave={() => setOpen(false)}
            />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
