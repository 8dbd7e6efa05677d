import clsx from "clsx";
import type { ComponentProps, ReactNode } from "react";

export interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label"> {
  /** What it does: shown on hover and read by screen readers. */
  label: string;
  icon: ReactNode;
  small?: boolean;
  tip?: "start" | "end" | "above" | "none";
}

/** A button with only an icon on it. */
export function IconButton({ label, icon, small = false, tip, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-label={label}
      className={clsx(
        "inline-flex shrink-0 items-center justify-center rounded text-muted transition-colors",
        "hover:bg-hover hover:text-ink disabled:opacity-40 data-popup-open:bg-hover data-popup-open:text-ink",
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
