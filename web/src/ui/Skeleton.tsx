import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";

const WIDTHS = ["w-3/4", "w-1/2", "w-5/6", "w-2/3"];

/** The shape of lines that are on their way. */
export function Skeleton({ lines = 4, className }: { lines?: number; className?: string }) {
  const { t } = useLingui();
  return (
    <div
      data-skeleton
      role="status"
      aria-label={t`Loading`}
      className={clsx("breath flex flex-col gap-4", className)}
    >
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} className={clsx("h-4 rounded-sm bg-line", WIDTHS[index % WIDTHS.length])} />
      ))}
    </div>
  );
}
