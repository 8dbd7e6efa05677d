import { ChevronRight } from "lucide-react";
import { type ReactNode, useState } from "react";

/** A part of a form that most leave as it is: folded, with what it says now. `open` unfolds it; people fold it again. */
export function Fold({
  title,
  says,
  open = false,
  children,
}: {
  title: ReactNode;
  says: ReactNode;
  open?: boolean;
  children: ReactNode;
}) {
  const [unfolded, setUnfolded] = useState(open);
  return (
    <details
      open={open || unfolded}
      onToggle={({ currentTarget }) => setUnfolded(currentTarget.open)}
      className="group border-t border-line pt-1"
    >
      <summary className="flex min-h-10 cursor-pointer list-none items-center gap-2 rounded hover:bg-hover [&::-webkit-details-marker]:hidden">
        <ChevronRight size={16} aria-hidden className="shrink-0 text-muted group-open:rotate-90" />
        <span className="text-sm font-medium">{title}</span>
        <span className="min-w-0 flex-1 truncate text-right text-sm text-muted">{says}</span>
      </summary>
      <div className="pt-2 pb-4 pl-6">{children}</div>
    </details>
  );
}
