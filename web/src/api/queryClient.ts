import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "./error";

/** Refusals are final; a server that does not answer is asked twice more. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 2,
    },
  },
});
