import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, ask } from "@/api/client";

const KEY = ["keys"];

export function useKeys() {
  return useQuery({ queryKey: KEY, queryFn: () => ask(api.GET("/api/v1/keys")) });
}

export function useMakeKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { name: string; expires_at: number | null }) =>
      ask(api.POST("/api/v1/keys", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: KEY }),
  });
}

export function useRevokeKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      ask(api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: KEY }),
  });
}
