const DAY_MS = 86_400_000;

/** How long a key holds: as a choice of days, on to a day, for ever, or as it is. */
export type Expiry = "never" | "7" | "30" | "90" | "365" | "day" | "same";

/** The moment a key ends: null never, undefined where a day is missing. A day counts to its end, in the browser's zone. */
export function endOf(
  expiry: Expiry,
  day: string,
  now: number,
  same: number | null,
): number | null | undefined {
  if (expiry === "never") return null;
  if (expiry === "same") return same;
  if (expiry !== "day") return now + Number(expiry) * DAY_MS;
  const end = new Date(`${day}T23:59:59`).getTime();
  return Number.isFinite(end) ? end : undefined;
}

/** Tags as one types them: by commas, in either width. */
export function readTags(text: string): string[] {
  return [...new Set(text.split(/\s*[,，、]\s*/).map((tag) => tag.trim()))].filter(Boolean);
}
