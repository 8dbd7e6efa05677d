import clsx from "clsx";
import { ChevronRight } from "lucide-react";
import type { ReactNode } from "react";

/** What is there for those who look for it; open from the start where `open` says so. */
export function Disclosure({
  title,
  open = false,
  children,
  className,
}: {
  title: ReactNode;
  open?: boolean;
  children: ReactNode;
  className?: string;
}) {
  return (
    <details open={open || undefined} className={clsx("group/more", className)}>
      <summary className="flex min-h-8 list-none items-center gap-1 text-sm text-muted hover:text-ink [&::-webkit-details-marker]:hidden">
        <ChevronRight size={15} aria-hidden className="transition-transform group-open/more:rotate-90" />
        {title}
      </summary>
      <div className="mt-3 flex flex-col gap-5">{children}</div>
    </details>
  );
}
