/** Where things of a list that is put in order go. */

interface Box {
  top: number;
  height: number;
}

/** The place of the item at `from` while the pointer is at height `y`: past the middle of others, it takes theirs. */
export function placeUnder(y: number, boxes: readonly Box[], from: number): number {
  const middle = ({ top, height }: Box) => top + height / 2;
  const above = boxes.findIndex((box, index) => index < from && y < middle(box));
  if (above >= 0) return above;
  return boxes.reduce((place, box, index) => (index > from && y > middle(box) ? index : place), from);
}

/** Where a key moves what is at `index`; null: it is none that moves. */
export function placeByKey(key: string, index: number, count: number): number | null {
  switch (key) {
    case "ArrowUp":
      return Math.max(0, index - 1);
    case "ArrowDown":
      return Math.min(count - 1, index + 1);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}

/** The list with what was at `from` at `to`. */
export function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const rest = items.filter((_, index) => index !== from);
  return [...rest.slice(0, to), ...items.slice(from, from + 1), ...rest.slice(to)];
}
