import clsx from "clsx";

export interface MeterPart {
  value: number;
  label: string;
  look?: "ember" | "ink" | "muted";
}

const LOOKS = { ember: "fill-ember", ink: "fill-ink", muted: "fill-edge" };

/** How much of a whole is used, and by what. Drawn with SVG so that no inline style is needed. */
export function Meter({ label, parts, total }: { label: string; parts: MeterPart[]; total: number }) {
  const used = parts.reduce((sum, part) => sum + part.value, 0);
  const scale = Math.max(total, used, 1);
  const scaled = parts.map((part, index) => ({
    ...part,
    start: (parts.slice(0, index).reduce((sum, { value }) => sum + value, 0) / scale) * 1000,
    width: Math.max(0, (part.value / scale) * 1000 - 2),
  }));
  return (
    <svg
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={Math.round(total)}
      aria-valuenow={Math.round(used)}
      className="h-2 w-full rounded-full bg-line"
      viewBox="0 0 1000 8"
      preserveAspectRatio="none"
    >
      {scaled.map(({ start, width, look, label: title }) => (
        <rect key={start} x={start} width={width} height={8} className={clsx(LOOKS[look ?? "ember"])}>
          <title>{title}</title>
        </rect>
      ))}
    </svg>
  );
}
