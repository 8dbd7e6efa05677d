import { useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { under } from "@/api/base";
import type { UsageSums } from "@/api/types";

export type Grouping = "model" | "provider" | "user_id" | "team_id" | "key_id" | "source";

export interface Span {
  since: number;
  until: number;
}

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

function useSums(by: (Grouping | "day" | "hour")[], { since, until }: Span) {
  return useQuery({
    queryKey: ["usage", by, since, until],
    queryFn: () => ask(api.GET("/api/v1/usage", { params: { query: { by, since, until, zone: zone() } } })),
  });
}

/** Totals of a span, by days, or by hours where it is short. */
export const useUsageOverTime = (span: Span, step: "day" | "hour") => useSums([step], span);

/** Totals of a span by one column. */
export const useUsageBy = (grouping: Grouping, span: Span) => useSums([grouping], span);

/** Local models against bought ones. */
export function useBreakEven({ since, until }: Span) {
  return useQuery({
    queryKey: ["usage", "break-even", since, until],
    queryFn: () =>
      ask(api.GET("/api/v1/usage/break-even", { params: { query: { since, until, everything: true } } })),
  });
}

/** Where the calls of a span can be had as a file. */
export function exportAddress({ since, until }: Span): string {
  return under(`/api/v1/usage/export?format=csv&since=${since}&until=${until}`);
}

export type Measure = "cost" | "tokens" | "calls";

export function measured(sums: UsageSums, measure: Measure): number {
  if (measure === "tokens") return sums.input_tokens + sums.output_tokens;
  return sums[measure];
}
