import { useMutation, useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";

const SECTIONS = ["server-settings"];

/** What an administrator can change while the server runs, in sections that describe themselves. */
export function useServerSettings(language: string) {
  return useQuery({
    queryKey: [...SECTIONS, language],
    queryFn: () => ask(api.GET("/api/v1/settings", { params: { query: { language } } })),
  });
}

export function useChangeServerSettings() {
  return useMutation({
    mutationFn: ({ section, settings }: { section: string; settings: Record<string, unknown> }) =>
      ask(api.PUT("/api/v1/settings/{section}", { params: { path: { section } }, body: { settings } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: SECTIONS }),
  });
}
