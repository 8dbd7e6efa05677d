import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { KeyInfo, KeyPage, Limits, NewKey } from "@/api/types";

import { limitsChanged, setLimitsOfKey } from "./limits";

const KEYS = ["keys"];
/** Keys of one page. */
const PAGE = 50;

/** Whose keys: one's own, a team's, or everybody's. */
export type Whose = { kind: "mine" } | { kind: "group"; id: string } | { kind: "everyone" };

/** One's own keys; there are never many. */
export function useKeys() {
  return useQuery({ queryKey: [...KEYS, "mine"], queryFn: () => ask(api.GET("/api/v1/keys")) });
}

async function page(whose: Whose, search: string, before: string | null): Promise<KeyPage> {
  const query = { search, limit: PAGE, ...(before === null ? {} : { before }) };
  if (whose.kind === "everyone") return ask(api.GET("/api/v1/keys/everyone", { params: { query } }));
  if (whose.kind === "group")
    return ask(
      api.GET("/api/v1/groups/{group_id}/keys", { params: { path: { group_id: whose.id }, query } }),
    );
  const words = search.toLowerCase();
  const all = (await ask(api.GET("/api/v1/keys"))).reverse();
  const keys = all.filter(
    ({ name, prefix }) => name.toLowerCase().includes(words) || words.startsWith(prefix),
  );
  return { keys, next: null, total: keys.length };
}

/** Keys in pages, newest first, searched by the server. */
export function useKeyPages(whose: Whose, search: string) {
  return useInfiniteQuery({
    queryKey: [...KEYS, whose, search],
    queryFn: ({ pageParam }) => page(whose, search, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    placeholderData: keepPreviousData,
  });
}

const keysChanged = async () => {
  await Promise.all([queryClient.invalidateQueries({ queryKey: KEYS }), limitsChanged()]);
};

export interface KeyFacts {
  name: string;
  expires_at: number | null;
  models: string[] | null;
  tags: string[];
}

/** Make a key for oneself or, with `team`, for a team. */
export function useMakeKey() {
  return useMutation({
    mutationFn: ({ team, ...body }: KeyFacts & { team: string; limits: Limits | null }): Promise<NewKey> =>
      team
        ? ask(api.POST("/api/v1/groups/{group_id}/keys", { params: { path: { group_id: team } }, body }))
        : ask(api.POST("/api/v1/keys", { body })),
    onSuccess: keysChanged,
  });
}

/** Change a key; `limits` undefined leaves them, null takes them away. */
export function useChangeKey(id: string) {
  return useMutation({
    mutationFn: async ({
      limits,
      ...body
    }: Partial<KeyFacts> & { limits?: Limits | null }): Promise<KeyInfo> => {
      const changed = await ask(
        api.PATCH("/api/v1/keys/{key_id}", { params: { path: { key_id: id } }, body }),
      );
      if (limits !== undefined) await setLimitsOfKey(id, limits);
      return changed;
    },
    onSuccess: keysChanged,
  });
}

/** Give a key a new secret; the former one holds for `overlap` seconds more. */
export function useRotateKey(id: string) {
  return useMutation({
    mutationFn: (overlap: number) =>
      ask(api.POST("/api/v1/keys/{key_id}/rotate", { params: { path: { key_id: id } }, body: { overlap } })),
    onSuccess: keysChanged,
  });
}

export function useRevokeKey() {
  return useMutation({
    mutationFn: (id: string) =>
      ask(api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: keysChanged,
  });
}
