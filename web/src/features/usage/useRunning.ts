import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { under } from "@/api/base";
import { api, ask } from "@/api/client";
import type { RunningCalls } from "@/api/types";
import { follow } from "@/features/runs/sse";

function isRunning(value: unknown): value is RunningCalls {
  return typeof value === "object" && value !== null && "calls" in value && "total" in value;
}

interface Watched {
  running: RunningCalls | null;
  connected: boolean;
  error: unknown;
}

/** The calls under way, as the server tells them while the page looks. */
export function useRunning(): Watched {
  const [running, setRunning] = useState<RunningCalls | null>(null);
  const [connected, setConnected] = useState(true);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const controller = new AbortController();
    follow(under("api/v1/usage/running/events"), {
      signal: controller.signal,
      onConnection: setConnected,
      onMessage: ({ data }) => {
        const told: unknown = JSON.parse(data);
        if (isRunning(told)) setRunning(told);
        return false;
      },
    }).catch(setError);
    return () => controller.abort();
  }, []);
  return { running, connected, error };
}

export function useStopCall() {
  return useMutation({
    mutationFn: (call_id: string) =>
      ask(api.DELETE("/api/v1/usage/running/{call_id}", { params: { path: { call_id } } })),
  });
}
