import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import type { UserInfo } from "@/api/types";

const USERS = ["users"];
const GROUPS = ["groups"];

export function useUsers() {
  return useQuery({ queryKey: USERS, queryFn: () => ask(api.GET("/api/v1/users")) });
}

export function useGroups() {
  return useQuery({ queryKey: GROUPS, queryFn: () => ask(api.GET("/api/v1/groups")) });
}

/** Changes of users and groups; each may touch both lists. */
function useChange<A, R>(mutationFn: (argument: A) => Promise<R>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn,
    onSuccess: () => Promise.all([USERS, GROUPS].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}

export const useAddUser = () =>
  useChange((body: { name: string; role: UserInfo["role"] }) => ask(api.POST("/api/v1/users", { body })));

export const useChangeUser = () =>
  useChange(
    ({ id, ...body }: { id: string; role?: UserInfo["role"]; disabled?: boolean; password?: string }) =>
      ask(api.PATCH("/api/v1/users/{user_id}", { params: { path: { user_id: id } }, body })),
  );

export const useDeleteUser = () =>
  useChange((id: string) =>
    ask(api.DELETE("/api/v1/users/{user_id}", { params: { path: { user_id: id } } })),
  );

export const useAddGroup = () =>
  useChange((body: { name: string; members: string[] }) => ask(api.POST("/api/v1/groups", { body })));

export const useChangeGroup = () =>
  useChange(({ id, ...body }: { id: string; name?: string; members?: string[] }) =>
    ask(api.PATCH("/api/v1/groups/{group_id}", { params: { path: { group_id: id } }, body })),
  );

export const useDeleteGroup = () =>
  useChange((id: string) =>
    ask(api.DELETE("/api/v1/groups/{group_id}", { params: { path: { group_id: id } } })),
  );
