import { i18n } from "@lingui/core";
import { t } from "@lingui/core/macro";

import { ApiError, Unreachable } from "@/api/error";

import { PROBLEMS } from "./problems";

/** An error in words a person can act on: the server's own, led by a translation where the page is not in English. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable || isMissingPart(error)) {
    return t`The server does not answer. Check that Inglenook is running and that this device can reach it.`;
  }
  if (error instanceof ApiError && i18n.locale !== "en") {
    const problem = PROBLEMS[error.code];
    if (problem) return i18n._(problem.says) + (problem.whole ? "" : ` (${error.message})`);
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
