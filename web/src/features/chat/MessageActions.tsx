import clsx from "clsx";
import type { ReactNode } from "react";

/** The row of small acts under a message; with a mouse it shows itself when it may be wanted. */
export function MessageActions({ pinned, children }: { pinned: boolean; children: ReactNode }) {
  return (
    <div
      className={clsx(
        "mt-1 -ml-1.5 flex min-h-7 flex-wrap items-center gap-x-0.5 transition-opacity",
        !pinned &&
          "pointer-fine:opacity-0 pointer-fine:group-focus-within:opacity-100 pointer-fine:group-hover:opacity-100",
      )}
    >
      {children}
    </div>
  );
}
