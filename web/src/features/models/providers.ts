import { useMutation, useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { ChosenModel } from "@/api/types";

import { modelsChanged } from "./queries";

const PROVIDERS = ["providers"];
const at = (id: string) => ({ path: { provider_id: id } });

export type ProviderSettings = Record<string, unknown>;
export function useProviderKinds(language: string) {
  return useQuery({
    queryKey: [...PROVIDERS, "kinds", language],
    queryFn: () => ask(api.GET("/api/v1/providers/kinds", { params: { query: { language } } })),
    staleTime: Infinity,
  });
}

/** What a kind of provider knows of its models without asking anybody. */
export function useKnownModels(kind: string) {
  return useQuery({
    queryKey: [...PROVIDERS, "known", kind],
    queryFn: () =>
      ask(api.GET("/api/v1/providers/kinds/{name}/models", { params: { path: { name: kind } } })),
    staleTime: Infinity,
  });
}

/** Try settings out with every key, saved or not. */
export function useTestProvider() {
  return useMutation({
    mutationFn: ({ id, kind, settings, model }: TestOf) =>
      id
        ? ask(
            api.POST("/api/v1/providers/{provider_id}/test", {
              params: at(id),
              body: { settings: settings ?? null, model },
            }),
          )
        : ask(api.POST("/api/v1/providers/test", { body: { kind, settings: settings ?? {}, model } })),
  });
}

interface TestOf {
  /** A saved provider; null: one that is only written down. */
  id: string | null;
  kind: string;
  settings?: ProviderSettings;
  /** Whom to ask for one token; null: only what there is. */
  model: string | null;
}

export function useProviders() {
  return useQuery({ queryKey: PROVIDERS, queryFn: () => ask(api.GET("/api/v1/providers")) });
}

async function changed(): Promise<void> {
  await Promise.all([queryClient.invalidateQueries({ queryKey: PROVIDERS }), modelsChanged()]);
}

export function useAddProvider() {
  return useMutation({
    mutationFn: (body: { kind: string; name: string; settings: ProviderSettings }) =>
      ask(api.POST("/api/v1/providers", { body })),
    onSuccess: changed,
  });
}

export function useChangeProvider() {
  return useMutation({
    mutationFn: ({
      id,
      ...body
    }: {
      id: string;
      name?: string;
      settings?: ProviderSettings;
      enabled?: boolean;
      models?: ChosenModel[];
    }) => ask(api.PATCH("/api/v1/providers/{provider_id}", { params: at(id), body })),
    onSuccess: changed,
  });
}

export function useRemoveProvider() {
  return useMutation({
    mutationFn: (id: string) => ask(api.DELETE("/api/v1/providers/{provider_id}", { params: at(id) })),
    onSuccess: changed,
  });
}

/** What a provider offers now; asking it also shows that address and key are right. */
export function useOffered(id: string) {
  return useQuery({
    queryKey: [...PROVIDERS, id, "offered"],
    queryFn: () => ask(api.POST("/api/v1/providers/{provider_id}/check", { params: at(id) })),
    retry: false,
    staleTime: 60_000,
  });
}
