import clsx from "clsx";
import type { ComponentProps } from "react";

type Look = "primary" | "plain" | "quiet" | "danger";

const LOOKS: Record<Look, string> = {
  primary: "bg-ember text-on-ember hover:bg-ember-strong border border-transparent",
  plain: "bg-raised text-ink border border-line hover:bg-hover",
  quiet: "text-ink border border-transparent hover:bg-hover",
  danger: "bg-raised text-danger border border-line hover:bg-hover",
};

export interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  small?: boolean;
  /** Shows that the work has begun and refuses further clicks. */
  busy?: boolean | undefined;
}

/** A button with words on it. */
export function Button({
  look = "plain",
  small = false,
  busy = false,
  className,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled ?? busy}
      aria-busy={busy || undefined}
      className={clsx(
        "inline-flex items-center justify-center gap-2 rounded font-medium whitespace-nowrap transition-colors",
        "disabled:opacity-50",
        small ? "min-h-8 px-3 text-sm" : "min-h-10 px-4",
        busy && "breath",
        LOOKS[look],
        className,
      )}
    />
  );
}
