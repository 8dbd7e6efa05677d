import { t } from "@lingui/core/macro";
import { useEffect } from "react";

import { under } from "@/api/base";
import { queryClient } from "@/api/queryClient";
import type { PullInfo } from "@/api/types";
import { follow } from "@/features/runs/sse";
import { toast } from "@/ui/toasts";

import { modelsChanged, PULLS, putPull, usePulls } from "./queries";

function isPull(value: unknown): value is PullInfo {
  return typeof value === "object" && value !== null && "id" in value && "status" in value;
}

/** Follows every running pull, so that its progress shows wherever pulls are shown. */
export function usePullProgress(): void {
  const pulls = usePulls();
  const running = (pulls.data ?? [])
    .filter(({ status }) => status === "running")
    .map(({ id }) => id)
    .sort()
    .join(" ");
  useEffect(() => {
    if (!running) return;
    const controller = new AbortController();
    for (const id of running.split(" ")) {
      follow(under(`api/v1/hub/pulls/${id}/events`), {
        signal: controller.signal,
        onMessage: ({ data }) => {
          const pull: unknown = JSON.parse(data);
          if (!isPull(pull)) return false;
          putPull(pull);
          if (pull.status === "running") return false;
          void modelsChanged();
          if (pull.status === "done") toast(t`${pull.model} is ready to use`);
          return true;
        },
      }).catch(() => queryClient.invalidateQueries({ queryKey: PULLS }));
    }
    return () => controller.abort();
  }, [running]);
}
