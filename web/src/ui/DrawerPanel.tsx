import { Dialog as Base } from "@base-ui/react/dialog";
import clsx from "clsx";
import type { ReactNode } from "react";

import { isOfToast } from "./toasts";

export interface DrawerPanelProps {
  open: boolean;
  onClose: () => void;
  label: string;
  side?: "start" | "end";
  children: ReactNode;
}

/** A panel that slides in from the side: navigation on phones, settings of a chat. */
export function DrawerPanel({ open, onClose, label, side = "start", children }: DrawerPanelProps) {
  return (
    <Base.Root open={open} onOpenChange={(next, { event }) => !next && !isOfToast(event) && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="backdrop z-20" />
        <Base.Popup
          aria-label={label}
          className={clsx(
            "drawer fixed inset-y-0 z-20 flex max-w-[calc(100vw-48px)] flex-col bg-paper shadow-float",
            side === "start"
              ? "left-0 w-72 border-r border-line"
              : "drawer-end right-0 w-96 border-l border-line",
          )}
        >
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
