import { t } from "@lingui/core/macro";

import { Unreachable } from "@/api/error";

/** An error in words a person can act on: the server's own where it gave some. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable) {
    return t`The server does not answer. Check that Inglenook is running and that this device can reach it.`;
  }
  return error instanceof Error && error.message
    ? error.message
    : t`Something unexpected happened in this page.`;
}
