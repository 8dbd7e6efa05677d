import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import type { Invitation } from "@/api/types";

const WAITING = ["mail-waiting"];
const INVITATIONS = ["invitations"];

/** The e-mails that are not sent yet; looked at again and again, as they go by themselves. */
export function useWaitingMail() {
  return useQuery({
    queryKey: WAITING,
    queryFn: () => ask(api.GET("/api/v1/mail/waiting")),
    refetchInterval: 10_000,
  });
}

export function useTestMail() {
  return useMutation({
    mutationFn: (address: string) =>
      ask(api.POST("/api/v1/mail/test", { body: { address: address || null } })),
  });
}

function useWaitingChange(mutationFn: (id: string) => Promise<unknown>) {
  const client = useQueryClient();
  return useMutation({ mutationFn, onSettled: () => client.invalidateQueries({ queryKey: WAITING }) });
}

export const useSendAgain = () =>
  useWaitingChange((id) =>
    ask(api.POST("/api/v1/mail/waiting/{letter_id}/again", { params: { path: { letter_id: id } } })),
  );

export const useDropMail = () =>
  useWaitingChange((id) =>
    ask(api.DELETE("/api/v1/mail/waiting/{letter_id}", { params: { path: { letter_id: id } } })),
  );

export function useInvitations() {
  return useQuery({ queryKey: INVITATIONS, queryFn: () => ask(api.GET("/api/v1/invitations")) });
}

function useInvitationChange<A, R>(mutationFn: (argument: A) => Promise<R>) {
  const client = useQueryClient();
  return useMutation({ mutationFn, onSuccess: () => client.invalidateQueries({ queryKey: INVITATIONS }) });
}

export const useInvite = () =>
  useInvitationChange(
    (body: {
      email: string | null;
      role: Invitation["role"];
      groups: string[];
      days: number;
      language: string;
    }) => ask(api.POST("/api/v1/invitations", { body })),
  );

export const useRenewInvitation = () =>
  useInvitationChange((id: string) =>
    ask(api.POST("/api/v1/invitations/{invitation_id}/renew", { params: { path: { invitation_id: id } } })),
  );

export const useRevokeInvitation = () =>
  useInvitationChange((id: string) =>
    ask(api.DELETE("/api/v1/invitations/{invitation_id}", { params: { path: { invitation_id: id } } })),
  );

export function useMakeResetLink() {
  return useMutation({
    mutationFn: (id: string) =>
      ask(api.POST("/api/v1/users/{user_id}/reset-link", { params: { path: { user_id: id } } })),
  });
}

export function useChangeEmail() {
  return useMutation({
    mutationFn: (body: { email: string | null; password: string }) =>
      ask(api.PUT("/api/v1/me/email", { body })),
  });
}
