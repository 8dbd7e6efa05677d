import createClient from "openapi-fetch";

import { under } from "./base";
import { toApiError, Unreachable } from "./error";
import type { paths } from "./schema";

/** The header without which the server refuses to change anything for a cookie: other sites cannot set it. */
export const GUARD = { "x-inglenook": "1" } as const;

/** The server's API, typed by its own description. Give its calls to `ask`. */
export const api = createClient<paths>({
  baseUrl: under("").replace(/\/$/, ""),
  headers: GUARD,
  fetch: async (request) => {
    try {
      return await fetch(request);
    } catch (error) {
      if (request.signal.aborted) throw error;
      throw new Unreachable("The server does not answer.");
    }
  },
});

/** The data of a call that succeeded. Throws `ApiError` or `Unreachable`. */
export async function ask<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) {
    const told = toApiError(response.status, error);
    // A wrong password is refused with the same status, but the session goes on.
    if (told.status === 401 && told.code !== "wrong_password") signedOut.forEach((listener) => listener());
    throw told;
  }
  return data as T;
}

const signedOut = new Set<() => void>();

/** Be told when the server says that nobody is signed in any more. */
export function onSignedOut(listener: () => void): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}
