import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import type { UsageSums } from "@/api/types";
import { useIsAdmin } from "@/features/accounts/session";

import type { Grouping } from "./queries";

/** What people call the things that usage is grouped by. */
export function useNames(grouping: Grouping): (sums: UsageSums) => string {
  const { t } = useLingui();
  const admin = useIsAdmin();
  const users = useQuery({
    queryKey: ["users"],
    queryFn: () => ask(api.GET("/api/v1/users")),
    enabled: admin && grouping === "user_id",
  });
  const groups = useQuery({
    queryKey: ["groups"],
    queryFn: () => ask(api.GET("/api/v1/groups")),
    enabled: admin && (grouping === "team_id" || grouping === "user_id"),
  });
  const keys = useQuery({
    queryKey: ["keys"],
    queryFn: () => ask(api.GET("/api/v1/keys")),
    enabled: grouping === "key_id",
  });
  const providers = useQuery({
    queryKey: ["providers"],
    queryFn: () => ask(api.GET("/api/v1/providers")),
    enabled: admin && grouping === "provider",
  });
  const known = new Map<string, string>(
    [...(users.data ?? []), ...(groups.data ?? []), ...(keys.data ?? []), ...(providers.data ?? [])].map(
      ({ id, name }) => [id, name],
    ),
  );
  known.set("local", t`This machine`);
  const nobody: Partial<Record<Grouping, string>> = { key_id: t`Without a key`, team_id: t`No team` };
  return ({ group }) => {
    const value = String(group[grouping] ?? "");
    return value === "" ? (nobody[grouping] ?? "–") : (known.get(value) ?? value);
  };
}
