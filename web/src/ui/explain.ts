import { i18n } from "@lingui/core";
import { t } from "@lingui/core/macro";

import { ApiError, Unreachable } from "@/api/error";

import { PROBLEMS } from "./problems";
import { REFUSALS } from "./refusals";

/** What the server tells of an error. */
export interface Told {
  message: string;
  code: string | null;
  details?: Readonly<Record<string, unknown>>;
}

/** An error of the server in words a person can act on: its own, led by a translation where the page is not in English. */
export function inWords({ message, code, details = {} }: Told): string {
  const refusal = code === null ? null : REFUSALS[code]?.(details);
  if (refusal) return refusal;
  const problem = code !== null && i18n.locale !== "en" ? PROBLEMS[code] : undefined;
  if (!problem) return sentence(message);
  if (problem.exactly?.needs.every((name) => name in details)) {
    const exactly = { ...problem.exactly.says, values: { ...details } };
    return i18n._(exactly);
  }
  const says = i18n._(problem.says);
  if (problem.whole) return says;
  const told = says.replace(/[.。]$/, "");
  return t`${told}: ${message}`;
}

/** The server writes its errors as programs log them; here they are read by people. */
function sentence(message: string): string {
  const begun = /^[a-z]+[ ,]/.test(message) ? message.charAt(0).toUpperCase() + message.slice(1) : message;
  return /[\p{L}\p{N}]$/u.test(begun) ? `${begun}.` : begun;
}

/** An error in words a person can act on. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable || isMissingPart(error)) {
    return t`The server does not answer. Check that Inglenook is running and that this device can reach it.`;
  }
  if (error instanceof ApiError) return inWords(error);
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
