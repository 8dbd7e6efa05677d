import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Trans } from "@lingui/react/macro";
import type { ReactNode } from "react";

import { Button } from "./Button";

export interface ConfirmProps {
  open: boolean;
  title: ReactNode;
  children: ReactNode;
  /** The word for the act, as in "Delete". */
  act: ReactNode;
  busy?: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Asks once before something that cannot be undone. */
export function Confirm({ open, title, children, act, busy, onConfirm, onCancel }: ConfirmProps) {
  return (
    <AlertDialog.Root open={open} onOpenChange={(next) => !next && onCancel()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="backdrop z-30" />
        <AlertDialog.Popup className="floating fixed top-1/2 left-1/2 z-30 w-[calc(100vw-32px)] max-w-md -translate-x-1/2 -translate-y-1/2 p-6 data-ending-style:-translate-y-1/2 data-starting-style:-translate-y-1/2">
          <AlertDialog.Title className="text-lg font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description render={<div />} className="mt-2 text-muted">
            {children}
          </AlertDialog.Description>
          <div className="mt-6 flex justify-end gap-2">
            <AlertDialog.Close render={<Button look="quiet" />}>
              <Trans>Cancel</Trans>
            </AlertDialog.Close>
            <Button look="danger" busy={busy} onClick={onConfirm}>
              {act}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
