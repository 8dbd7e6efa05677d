import clsx from "clsx";
import { Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

export interface NoticeProps {
  look?: "info" | "warning" | "error";
  children: ReactNode;
  action?: ReactNode;
  className?: string;
}

/** Something to know, in the flow of the page. */
export function Notice({ look = "info", children, action, className }: NoticeProps) {
  const Icon = look === "info" ? Info : TriangleAlert;
  return (
    <div
      role={look === "error" ? "alert" : undefined}
      className={clsx("flex flex-wrap items-center gap-x-3 gap-y-2 border-l-2 py-1 pl-3 text-sm", className, {
        "border-line text-muted": look === "info",
        "border-ember": look === "warning",
        "border-danger": look === "error",
      })}
    >
      <Icon
        size={16}
        aria-hidden
        className={clsx("shrink-0", look === "warning" && "text-ember", look === "error" && "text-danger")}
      />
      <div className="min-w-0 flex-1 basis-48 break-words">{children}</div>
      {action}
    </div>
  );
}
