import { useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";

export const defaultsKey = ["chat", "defaults"];

/** The model a new conversation would use; null while there is none. */
export function useDefaultModel() {
  return useQuery({
    queryKey: defaultsKey,
    queryFn: () => ask(api.GET("/api/v1/chat/defaults")),
    select: ({ model }) => model,
  });
}
