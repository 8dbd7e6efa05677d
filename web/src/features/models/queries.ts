import { useMutation, useQuery } from "@tanstack/react-query";

import { api, ask } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { ModelInfo, PullInfo } from "@/api/types";
import { defaultsKey } from "@/features/chat/defaults";

const MODELS = ["models"];
const ENGINE = ["engine"];
const SUGGESTIONS = ["suggestions"];
export const PULLS = ["pulls"];

/** Loaded models come and go by themselves; a page that shows them looks again now and then. */
const LOOK_AGAIN_MS = 5_000;

export function useModels({ live = false } = {}) {
  return useQuery({
    queryKey: MODELS,
    queryFn: () => ask(api.GET("/api/v1/models")),
    refetchInterval: live ? LOOK_AGAIN_MS : false,
  });
}

export function canChat(model: ModelInfo): boolean {
  return model.capabilities.includes("completion");
}

/** Bytes on disk below which a model that speaks English only is one to start with, and no more. */
const TINY = 400_000_000;

/** Whether a model is there to show that everything works: tiny, and English only. */
export function isStarter({ local, languages, size }: ModelInfo): boolean {
  return local && languages.length === 1 && languages[0] === "en" && size < TINY;
}

export function useEngine() {
  return useQuery({
    queryKey: ENGINE,
    queryFn: () => ask(api.GET("/api/v1/engine")),
    refetchInterval: LOOK_AGAIN_MS,
  });
}

/** Models worth having on this machine, those good at `language` first. */
export function useSuggestions(language: string) {
  return useQuery({
    queryKey: [...SUGGESTIONS, language],
    queryFn: () => ask(api.GET("/api/v1/hub/suggestions", { params: { query: { language } } })),
    staleTime: 10 * 60_000,
  });
}

export function usePulls() {
  return useQuery({ queryKey: PULLS, queryFn: () => ask(api.GET("/api/v1/hub/pulls")) });
}

/** Everything that shows models is out of date. */
export async function modelsChanged(): Promise<void> {
  await Promise.all(
    [MODELS, ENGINE, SUGGESTIONS, defaultsKey].map((queryKey) => queryClient.invalidateQueries({ queryKey })),
  );
}

export function useLoadModel() {
  return useMutation({
    mutationFn: (name: string) => ask(api.POST("/api/v1/models/load", { body: { name } })),
    onSettled: modelsChanged,
  });
}

export function useUnloadModel() {
  return useMutation({
    mutationFn: (name: string) => ask(api.POST("/api/v1/models/unload", { body: { name } })),
    onSettled: modelsChanged,
  });
}

export function useDeleteModel() {
  return useMutation({
    mutationFn: (name: string) => ask(api.POST("/api/v1/models/delete", { body: { name } })),
    onSettled: modelsChanged,
  });
}

export function usePull() {
  return useMutation({
    mutationFn: (wanted: { source: string; name?: string }) =>
      ask(api.POST("/api/v1/hub/pulls", { body: wanted })),
    onSuccess: putPull,
  });
}

export function useCancelPull() {
  return useMutation({
    mutationFn: (id: string) =>
      ask(api.DELETE("/api/v1/hub/pulls/{pull_id}", { params: { path: { pull_id: id } } })),
    onSettled: () => queryClient.invalidateQueries({ queryKey: PULLS }),
  });
}

/** Take in what is newly known of a pull. */
export function putPull(pull: PullInfo): void {
  queryClient.setQueryData<PullInfo[]>(PULLS, (pulls = []) =>
    pulls.some(({ id }) => id === pull.id)
      ? pulls.map((other) => (other.id === pull.id ? pull : other))
      : [pull, ...pulls],
  );
}
