import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { ExplainRequest, RouteIn, RoutePatch } from "@/api/types";
import { modelsChanged } from "@/features/models/queries";

import type { Definition } from "./draft";

const ROUTES = ["routes"];
const at = (route_id: string) => ({ path: { route_id } });

/** Targets come and go by themselves; a page that shows how they are looks again now and then. */
const LOOK_AGAIN_MS = 5_000;

export function useRoutes({ enabled = true } = {}) {
  return useQuery({
    enabled,
    queryKey: ROUTES,
    queryFn: () => ask(api.GET("/api/v1/routes")),
    refetchInterval: LOOK_AGAIN_MS,
  });
}

/** How the targets of all routes are now. */
export function useHealth() {
  return useQuery({
    queryKey: [...ROUTES, "health"],
    queryFn: () => ask(api.GET("/api/v1/routes/health")),
    refetchInterval: LOOK_AGAIN_MS,
  });
}

/** Everything that shows routes is out of date. */
export async function routesChanged(): Promise<void> {
  await Promise.all([queryClient.invalidateQueries({ queryKey: ROUTES }), modelsChanged()]);
}

export function useAddRoute() {
  return useMutation({
    mutationFn: (body: RouteIn) => ask(api.POST("/api/v1/routes", { body })),
    onSuccess: routesChanged,
  });
}

export function useChangeRoute() {
  return useMutation({
    mutationFn: ({ id, ...body }: RoutePatch & { id: string }) =>
      ask(api.PATCH("/api/v1/routes/{route_id}", { params: at(id), body })),
    onSuccess: routesChanged,
  });
}

/** Whoever removes a route leaves its page first, and then tells that routes changed. */
export function useRemoveRoute() {
  return useMutation({
    mutationFn: (id: string) => ask(api.DELETE("/api/v1/routes/{route_id}", { params: at(id) })),
  });
}

/** Forget the answers that are kept for a route. */
export function useClearCache() {
  return useMutation({
    mutationFn: (id: string) => ask(api.DELETE("/api/v1/routes/{route_id}/cache", { params: at(id) })),
  });
}

/** What is wrong with a draft of the route `name`. */
export function useReview(name: string, definition: Definition, enabled: boolean) {
  return useQuery({
    queryKey: [...ROUTES, "review", name, definition],
    queryFn: () =>
      ask(api.POST("/api/v1/routes/validate", { body: { name, definition: { ...definition } } })),
    enabled,
    placeholderData: keepPreviousData,
    gcTime: 0,
    retry: false,
  });
}

/** Who would answer a call, and why; nobody is asked. */
export function useExplain() {
  return useMutation({
    mutationFn: (body: ExplainRequest) => ask(api.POST("/api/v1/routes/explain", { body })),
  });
}

/** The currency in which amounts of this server are. */
export function useCurrency(): string {
  const { data } = useQuery({
    queryKey: ["server-settings", "en"],
    queryFn: () => ask(api.GET("/api/v1/settings", { params: { query: { language: "en" } } })),
    staleTime: 60_000,
  });
  const currency = data?.find(({ section }) => section === "billing")?.settings.currency;
  return typeof currency === "string" ? currency : "USD";
}
