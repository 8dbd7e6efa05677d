import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";
import { X } from "lucide-react";
import { createPortal } from "react-dom";

import { IconButton } from "./IconButton";
import { useToasts } from "./toasts";

/** Where toasts appear, above windows too; read out politely. */
export function ToastArea() {
  const { t } = useLingui();
  const { shown, dismiss } = useToasts();
  return createPortal(
    <div
      data-toasts
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-4 top-14 z-50 flex flex-col items-center gap-2"
    >
      {shown.map(({ id, text, look, action }) => (
        <div
          key={id}
          className="floating pointer-events-auto flex max-w-lg items-center gap-2 py-1 pr-1 pl-4 text-sm"
        >
          <span className={clsx("min-w-0 py-2 break-words", look === "error" && "text-danger")}>{text}</span>
          {action ? (
            <button
              type="button"
              className="min-h-9 rounded px-3 font-medium text-ember hover:bg-hover"
              onClick={() => {
                action.run();
                dismiss(id);
              }}
            >
              {action.label}
            </button>
          ) : null}
          <IconButton
            small
            tip="none"
            label={t`Dismiss`}
            icon={<X size={16} />}
            onClick={() => dismiss(id)}
          />
        </div>
      ))}
    </div>,
    document.body,
  );
}
