import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "./error";

/**
 * Refusals are final; a server that does not answer is asked twice more.
 *
 * Also while the browser is offline: the server may be this very machine, which answers without any network.
 */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always",
      staleTime: 30_000,
      retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 2,
    },
    mutations: { networkMode: "always" },
  },
});
