import { t } from "@lingui/core/macro";

import { Unreachable } from "@/api/error";

/** An error in words a person can act on: the server's own where it gave some. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable || isMissingPart(error)) {
    return t`The server does not answer. Check that Inglenook is running and that this device can reach it.`;
  }
  return error instanceof Error && error.message
    ? error.message
    : t`Something unexpected happened in this page.`;
}

/** Whether a part of the page itself could not be fetched; each browser says it in its own words. */
function isMissingPart(error: unknown): boolean {
  return (
    error instanceof Error && /dynamically imported module|importing a module script/i.test(error.message)
  );
}
