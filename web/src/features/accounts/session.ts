import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { Me, SessionState } from "@/api/types";

/** Characters a password has at least, as the server asks. */
export const PASSWORD_LENGTH = 8;

export const sessionQuery = {
  queryKey: ["session"],
  queryFn: () => ask(api.GET("/api/v1/session")),
  staleTime: 5 * 60_000,
};

/** Who is signed in; only below the frame, which has made sure that somebody is. */
export function useMe(): Me {
  const { data } = useSuspenseQuery(sessionQuery);
  if (!data.user) throw new Error("nobody is signed in");
  return data.user;
}

export function useIsAdmin(): boolean {
  return useMe().role === "admin";
}

/** Take in a new session: everything that was loaded belonged to the old one. */
export function enter(state: SessionState): void {
  queryClient.clear();
  queryClient.setQueryData(sessionQuery.queryKey, state);
}

export function useSignIn() {
  return useMutation({
    mutationFn: (body: { name: string; password: string }) => ask(api.POST("/api/v1/session", { body })),
    onSuccess: enter,
  });
}

export function useSetUp() {
  return useMutation({
    mutationFn: (body: { token: string; name: string; password: string }) =>
      ask(api.POST("/api/v1/setup", { body })),
    onSuccess: enter,
  });
}

export function useChangeMe() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: {
      display_name?: string;
      language?: string | null;
      theme?: "light" | "dark" | "system" | null;
    }) => ask(api.PATCH("/api/v1/me", { body })),
    onSuccess: (me) =>
      client.setQueryData(
        sessionQuery.queryKey,
        (state: SessionState | undefined) => state && { ...state, user: me },
      ),
  });
}

export function useChangePassword() {
  return useMutation({
    mutationFn: (body: { current: string; new: string }) => ask(api.POST("/api/v1/me/password", { body })),
  });
}

export async function signOut(): Promise<void> {
  await ask(api.DELETE("/api/v1/session"));
  queryClient.clear();
}
