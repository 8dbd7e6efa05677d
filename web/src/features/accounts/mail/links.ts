import { useMutation, useQuery } from "@tanstack/react-query";

import { under } from "@/api/base";
import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";

import { enter } from "../session";

/** The token of an address such as `/setup#token=…`; the part after # never reaches a server or its log. */
export function tokenOf(hash: string): string {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") ?? "";
}

/** The whole address of a link: as the server's settings say, else as this page itself is reached. */
export function addressOf({ link, path }: { link: string | null; path: string }): string {
  return link ?? window.location.origin + under(path);
}

const LOOK = { retry: false, staleTime: Infinity } as const;

export function useInvitationLook(token: string) {
  return useQuery({
    ...LOOK,
    queryKey: ["invitation-look", token],
    queryFn: () => ask(api.POST("/api/v1/invitations/look", { body: { token } })),
  });
}

export function useAcceptInvitation() {
  return useMutation({
    mutationFn: (body: { token: string; name: string; password: string }) =>
      ask(api.POST("/api/v1/invitations/accept", { body })),
    onSuccess: enter,
  });
}

export function useAskForReset() {
  return useMutation({
    mutationFn: (name: string) => ask(api.POST("/api/v1/password-reset", { body: { name } })),
  });
}

export function useResetLook(token: string) {
  return useQuery({
    ...LOOK,
    queryKey: ["reset-look", token],
    queryFn: () => ask(api.POST("/api/v1/password-reset/look", { body: { token } })),
  });
}

export function useCompleteReset() {
  return useMutation({
    mutationFn: (body: { token: string; password: string }) =>
      ask(api.POST("/api/v1/password-reset/complete", { body })),
    // Whoever was signed in here is not any more.
    onSuccess: () => queryClient.clear(),
  });
}
