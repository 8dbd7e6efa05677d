/** Which heading of the conversation list a time belongs under. */
export type Day = "today" | "yesterday" | "week" | "month" | `${number}-${number}`;

/** The heading for `at`, seen at `now` (both ms), in the browser's time zone; older than 30 days: year and month. */
export function dayOf(at: number, now: number): Day {
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const daysBack = (days: number) => {
    const day = new Date(midnight);
    day.setDate(day.getDate() - days);
    return day.getTime();
  };
  if (at >= daysBack(0)) return "today";
  if (at >= daysBack(1)) return "yesterday";
  if (at >= daysBack(7)) return "week";
  if (at >= daysBack(30)) return "month";
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}`;
}
