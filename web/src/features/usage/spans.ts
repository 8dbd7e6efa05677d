import type { Span } from "./queries";

export type SpanName = "today" | "week" | "month" | "year";

const HOUR = 3_600_000;

/** The span of that name up to the end of the present hour, beginning with a day of the reader's. */
export function spanOf(name: SpanName, now: number): Span {
  const start = new Date(now);
  start.setHours(0, 0, 0, 0);
  if (name === "week") start.setDate(start.getDate() - 6);
  if (name === "month") start.setDate(start.getDate() - 29);
  if (name === "year") start.setFullYear(start.getFullYear() - 1);
  return { since: start.getTime(), until: (Math.floor(now / HOUR) + 1) * HOUR };
}

/** When each bar of the span begins: hours of a day, days of anything longer. */
export function steps({ since, until }: Span, step: "day" | "hour"): number[] {
  const found: number[] = [];
  const at = new Date(since);
  while (at.getTime() < until) {
    found.push(at.getTime());
    if (step === "hour") at.setTime(at.getTime() + HOUR);
    else at.setDate(at.getDate() + 1);
  }
  return found;
}
