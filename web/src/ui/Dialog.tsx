import { Dialog as Base } from "@base-ui/react/dialog";
import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";
import { X } from "lucide-react";
import { type ReactNode, useRef } from "react";

import { IconButton } from "./IconButton";
import { isOfToast } from "./toasts";

export interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  description?: ReactNode;
  children: ReactNode;
  wide?: boolean;
}

/** A window above the page that holds the focus until it is closed. */
export function Dialog({ open, onClose, title, description, children, wide = false }: DialogProps) {
  const { t } = useLingui();
  const popup = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  return (
    <Base.Root open={open} onOpenChange={(next, { event }) => !next && !isOfToast(event) && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="backdrop z-30" />
        <Base.Popup
          ref={popup}
          initialFocus={(how) => firstField(how, body.current) ?? popup.current}
          className={clsx(
            "floating fixed top-1/2 left-1/2 z-30 flex max-h-[calc(100dvh-32px)] w-[calc(100vw-32px)] flex-col",
            "-translate-x-1/2 -translate-y-1/2 data-ending-style:-translate-y-1/2 data-starting-style:-translate-y-1/2",
            wide ? "max-w-2xl" : "max-w-md",
          )}
        >
          <div className="flex items-start gap-2 p-4 pb-0 pl-6">
            <div className="min-w-0 flex-1 pt-1">
              <Base.Title className="text-lg font-semibold">{title}</Base.Title>
              {description ? (
                <Base.Description className="mt-1 text-muted">{description}</Base.Description>
              ) : null}
            </div>
            <Base.Close render={<IconButton label={t`Close`} tip="none" icon={<X size={18} />} />} />
          </div>
          <div ref={body} className="overflow-y-auto p-6 pt-4">
            {children}
          </div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

/** What is to be filled in first; nothing on touch, where a keyboard would cover half the window. */
function firstField(how: string, body: HTMLElement | null): HTMLElement | null {
  return how === "touch" ? null : (body?.querySelector<HTMLElement>("input, select, textarea") ?? null);
}
