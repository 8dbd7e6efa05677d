export interface Bar {
  at: number;
  value: number;
  label: string;
}

const HEIGHT = 120;

/** Values over time, as bars. Drawn with SVG so that no inline style is needed; a table beside it says the same. */
export function Bars({ label, bars, from, to }: { label: string; bars: Bar[]; from: string; to: string }) {
  const most = Math.max(1e-9, ...bars.map(({ value }) => value));
  const width = 1000 / Math.max(1, bars.length);
  return (
    <figure>
      <svg
        role="img"
        aria-label={label}
        viewBox={`0 0 1000 ${HEIGHT}`}
        preserveAspectRatio="none"
        className="h-32 w-full border-b border-line"
      >
        {bars.map(({ at, value, label: title }, index) => (
          <g key={at}>
            <rect x={index * width} y={0} width={width} height={HEIGHT} className="fill-transparent">
              <title>{title}</title>
            </rect>
            <rect
              x={index * width + width * 0.1}
              y={HEIGHT - (value / most) * (HEIGHT - 4)}
              width={width * 0.8}
              height={(value / most) * (HEIGHT - 4)}
              className="pointer-events-none fill-ember"
            />
          </g>
        ))}
      </svg>
      <figcaption className="mt-1 flex justify-between text-sm text-muted">
        <span>{from}</span>
        <span>{to}</span>
      </figcaption>
    </figure>
  );
}
