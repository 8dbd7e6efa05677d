import { i18n } from "@lingui/core";

/** The time of day of a moment that is near. */
export function clockTime(at: number): string {
  return new Intl.DateTimeFormat(i18n.locale, { timeStyle: "medium" }).format(at);
}

/** The zone of the reader's clock. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
