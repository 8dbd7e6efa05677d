import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { Limits, LimitsInfo } from "@/api/types";

const LIMITS = ["limits"];
/** Use changes with every call: what is in view is looked at again. */
const LOOK_AGAIN_MS = 10_000;

export type SubjectKind = LimitsInfo["subject_kind"];

export interface Subject {
  kind: SubjectKind;
  /** Empty for all together and for each user. */
  id: string;
}

/** What one's own calls must fit under, and in which currency and time zone. */
export function useStanding() {
  return useQuery({
    queryKey: [...LIMITS, "me"],
    queryFn: () => ask(api.GET("/api/v1/limits/me")),
    refetchInterval: LOOK_AGAIN_MS,
  });
}

/** The billing currency, for forms; a dollar until it is known. */
export function useCurrency(): string {
  return useStanding().data?.currency ?? "USD";
}

/** The limits of those of these keys that have any, by the key's id. */
export function useLimitsOfKeys(ids: readonly string[]) {
  return useQuery({
    queryKey: [...LIMITS, "keys", ids],
    queryFn: () => ask(api.GET("/api/v1/keys/limits", { params: { query: { key: [...ids] } } })),
    enabled: ids.length > 0,
    refetchInterval: LOOK_AGAIN_MS,
    placeholderData: keepPreviousData,
    select: (found) => new Map(found.map((limits) => [limits.subject_id, limits])),
  });
}

/** What calls with a key must fit under: its own limits and those above it. */
export function useStandingOfKey(id: string, wanted: boolean) {
  return useQuery({
    queryKey: [...LIMITS, "key", id],
    queryFn: () => ask(api.GET("/api/v1/keys/{key_id}/standing", { params: { path: { key_id: id } } })),
    enabled: wanted,
  });
}

export function useLimitsOfGroup(id: string) {
  return useQuery({
    queryKey: [...LIMITS, "group", id],
    queryFn: () => ask(api.GET("/api/v1/groups/{group_id}/limits", { params: { path: { group_id: id } } })),
    refetchInterval: LOOK_AGAIN_MS,
  });
}

export interface Wanted {
  kind?: SubjectKind;
  search: string;
  offset: number;
  limit: number;
}

/** Everybody who is limited, the nearest to a limit first. */
export function useClosest(wanted: Wanted) {
  return useQuery({
    queryKey: [...LIMITS, "closest", wanted],
    queryFn: () => ask(api.GET("/api/v1/limits/closest", { params: { query: wanted } })),
    refetchInterval: LOOK_AGAIN_MS,
    placeholderData: keepPreviousData,
  });
}

/** The limits of all together, or those each user has by default. */
export function useLimitsOfAll(kind: "everyone" | "default") {
  return useQuery({
    queryKey: [...LIMITS, kind],
    queryFn: async () => {
      const found = await ask(api.GET("/api/v1/limits", { params: { query: { kind } } }));
      return found[0] ?? null;
    },
    refetchInterval: LOOK_AGAIN_MS,
  });
}

const path = ({ kind, id }: Subject) => ({ path: { kind, subject_id: id || "-" } });

export const limitsChanged = () => queryClient.invalidateQueries({ queryKey: LIMITS });

/** Set a subject's limits, or take them away. */
export function useSetLimits(subject: Subject) {
  return useMutation({
    mutationFn: async (limits: Limits | null): Promise<void> => {
      if (limits === null)
        await ask(api.DELETE("/api/v1/limits/{kind}/{subject_id}", { params: path(subject) }));
      else await ask(api.PUT("/api/v1/limits/{kind}/{subject_id}", { params: path(subject), body: limits }));
    },
    onSuccess: limitsChanged,
  });
}

/** Set the limits of a key one manages, or take them away. */
export async function setLimitsOfKey(id: string, limits: Limits | null): Promise<void> {
  const params = { path: { key_id: id } };
  if (limits === null) await ask(api.DELETE("/api/v1/keys/{key_id}/limits", { params }));
  else await ask(api.PUT("/api/v1/keys/{key_id}/limits", { params, body: limits }));
}

export function useRelease(subject: Subject) {
  return useMutation({
    mutationFn: () => ask(api.POST("/api/v1/limits/{kind}/{subject_id}/release", { params: path(subject) })),
    onSuccess: limitsChanged,
  });
}

/** The limits of teams that have any, by the team's id. */
export function useLimitsOfTeams() {
  return useQuery({
    queryKey: [...LIMITS, "teams"],
    queryFn: () => ask(api.GET("/api/v1/limits", { params: { query: { kind: "group" } } })),
    refetchInterval: LOOK_AGAIN_MS,
    select: (found) => new Map(found.map((limits) => [limits.subject_id, limits])),
  });
}
