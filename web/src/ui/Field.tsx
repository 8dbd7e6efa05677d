import clsx from "clsx";
import { type ReactNode, useId } from "react";

export interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  className?: string | undefined;
  /** Draws the control; spread `ids` onto it. */
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}

export const CONTROL =
  "w-full rounded border border-edge bg-raised px-3 text-ink transition-colors hover:border-ink " +
  "aria-invalid:border-danger disabled:opacity-60 disabled:hover:border-edge pointer-coarse:text-[16px]";

/** A labelled control with its hint, or what is wrong with it. */
export function Field({ label, hint, error, className, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className={clsx("flex flex-col gap-1", className)}>
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children({
        id,
        ...(note ? { "aria-describedby": `${id}-note` } : {}),
        ...(error ? { "aria-invalid": true as const } : {}),
      })}
      {note ? (
        <p
          id={`${id}-note`}
          role={error ? "alert" : undefined}
          className={clsx("text-sm", error ? "text-danger" : "text-muted")}
        >
          {note}
        </p>
      ) : null}
    </div>
  );
}
