/** The mark of the house: a flame over its hearth. */
export function Logo({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden className="shrink-0 text-ember">
      <path
        fill="currentColor"
        d="M16.6 3c1 4.3 6.9 7.2 6.9 14.1 0 4.6-3.3 7.9-7.5 7.9s-7.5-3.3-7.5-7.6c0-3 1.6-4.9 3.2-6.5.4 1.9 1.1 2.9 2.1 3.5-.3-4.4.6-8.4 2.8-11.4z"
      />
      <path stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" d="M6 29h20" />
    </svg>
  );
}
