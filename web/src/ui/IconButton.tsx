import clsx from "clsx";
import type { ComponentProps, ReactNode } from "react";

export interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label"> {
  /** What it does: shown on hover and read by screen readers. */
  label: string;
  icon: ReactNode;
  small?: boolean;
  look?: keyof typeof LOOKS;
  tip?: "start" | "end" | "above" | "none";
}

const LOOKS = {
  quiet:
    "text-muted enabled:hover:bg-hover enabled:hover:text-ink data-popup-open:bg-hover data-popup-open:text-ink",
  ember: "bg-ember text-on-ember enabled:hover:bg-ember-strong",
  ink: "bg-ink text-paper",
};

/** A button with only an icon on it. */
export function IconButton({
  label,
  icon,
  small = false,
  look = "quiet",
  tip,
  className,
  ...rest
}: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-label={label}
      className={clsx(
        "inline-flex shrink-0 items-center justify-center rounded transition-colors disabled:opacity-40",
        LOOKS[look],
        small ? "size-7 pointer-coarse:size-9" : "size-9",
        tip !== "none" && "tip",
        tip && tip !== "none" && `tip-${tip}`,
        className,
      )}
    >
      {icon}
    </button>
  );
}
