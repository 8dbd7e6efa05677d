import clsx from "clsx";

/** How far something is, 0 to 1; null when nobody can say. */
export function ProgressBar({ label, value }: { label: string; value: number | null }) {
  return (
    <svg
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.round(value * 100)}
      className="h-1.5 w-full rounded-full bg-line"
      viewBox="0 0 1000 6"
      preserveAspectRatio="none"
    >
      <rect
        width={(value ?? 1) * 1000}
        height={6}
        className={clsx("fill-ember", value === null && "breath")}
      />
    </svg>
  );
}
