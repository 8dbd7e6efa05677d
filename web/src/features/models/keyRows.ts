/** API keys in a form: those the server has, by their numbers, and new ones as they are typed. */
export interface KeyRow {
  id: string;
  /** The number of a key that is kept; null: a new one. */
  kept: number | null;
  text: string;
}

let made = 0;

export function newKey(): KeyRow {
  made += 1;
  return { id: `key-${made}`, kept: null, text: "" };
}

/** The keys there are; a form that has none begins with room for one. */
export function keyRows(count: number): KeyRow[] {
  if (count === 0) return [newKey()];
  return Array.from({ length: count }, (_, index) => ({ id: `kept-${index}`, kept: index + 1, text: "" }));
}

export const isFilled = ({ kept, text }: KeyRow) => kept !== null || text.trim() !== "";

/** What to send of them: the first by itself, the others in a list; null takes away what there was. */
export function keySettings(rows: readonly KeyRow[]): Record<string, unknown> {
  const [first = null, ...others] = rows
    .filter(isFilled)
    .map(({ kept, text }) => (kept === null ? text.trim() : { kept }));
  return { api_key: first, api_keys: others.length > 0 ? others : null };
}
