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

/** Teams as the page changes them; what is left out stays. */
export interface TeamChange {
  name?: string;
  members?: string[];
  managers?: string[];
  tags?: string[];
}

export const useAddGroup = () =>
  useChange((body: { name: string }) => ask(api.POST("/api/v1/groups", { body })));

export const useChangeGroup = (id: string) =>
  useChange((body: TeamChange) =>
    ask(api.PATCH("/api/v1/groups/{group_id}", { params: { path: { group_id: id } }, body })),
  );

export const useDeleteGroup = () =>
  useChange((id: string) =>
    ask(api.DELETE("/api/v1/groups/{group_id}", { params: { path: { group_id: id } } })),
  );

/** Who is in a team or manages it, for who may see the team. */
export function useTeamPeople(id: string) {
  return useQuery({
    queryKey: [...GROUPS, id, "people"],
    queryFn: () => ask(api.GET("/api/v1/groups/{group_id}/people", { params: { path: { group_id: id } } })),
  });
}

const RIGHTS = ["rights"];

/** Which models everyone may use, and a team besides. */
export function useTeamModels(id: string) {
  return useQuery({
    queryKey: [...RIGHTS, id],
    queryFn: async () => {
      const [everyone, own] = await ask(
        api.GET("/api/v1/groups/{group_id}/models", { params: { path: { group_id: id } } }),
      );
      return { everyone: everyone?.models ?? null, own: own ? own.models : [] };
    },
  });
}

/** The models that everyone may use; null: all. For administrators. */
export function useModelsOfEveryone() {
  return useQuery({
    queryKey: [...RIGHTS, "everyone"],
    queryFn: async () => (await ask(api.GET("/api/v1/rights/models")))[0]?.models ?? null,
  });
}

/** Say which models somebody may use by a right of their own. */
export function useSetModels(subject_kind: "everyone" | "group", subject_id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (models: string[] | null) =>
      ask(
        api.PUT("/api/v1/rights/models/{subject_kind}/{subject_id}", {
          params: { path: { subject_kind, subject_id } },
          body: { models },
        }),
      ),
    onSuccess: () =>
      Promise.all([RIGHTS, ["models"]].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}
