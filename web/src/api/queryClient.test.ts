import { onlineManager } from "@tanstack/react-query";
import { afterEach, expect, it } from "vitest";

import { queryClient } from "./queryClient";

afterEach(() => onlineManager.setOnline(true));

it("asks a server that may be this machine also without a network", async () => {
  onlineManager.setOnline(false);
  const queryFn = () => Promise.resolve("here");
  await expect(queryClient.query({ queryKey: ["x"], queryFn })).resolves.toBe("here");
  const mutation = queryClient.getMutationCache().build(queryClient, { mutationFn: queryFn });
  await expect(mutation.execute(undefined)).resolves.toBe("here");
});
