import { describe, expect, it } from "vitest";

import type { RouteInfo } from "@/api/types";

import {
  blank,
  definitionOf,
  isSame,
  newTarget,
  problemAt,
  problemsIn,
  problemsWithin,
  toDraft,
  weighs,
} from "./draft";

const route: RouteInfo = {
  id: "rte_1",
  name: "smart",
  description: "",
  enabled: true,
  definition: {
    strategy: "weighted",
    targets: [
      { model: "a", weight: 2, when: { times: [{ days: ["sat"], zone: "Asia/Shanghai" }] } },
      { model: "b" },
    ],
    cache: { ttl: 60 },
  },
  targets: [],
  capabilities: [],
  context_length: 0,
  problems: [],
  created_at: 1,
  updated_at: 1,
};

describe("a draft", () => {
  it("says everything that the server leaves to its defaults", () => {
    const draft = toDraft(route);
    expect(draft.targets.map(({ model, weight }) => [model, weight])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
    expect(draft.targets[0]?.when.times).toEqual([
      { days: ["sat"], start: "00:00", end: "00:00", zone: "Asia/Shanghai" },
    ]);
    expect(draft.cache).toEqual({ ttl: 60, shared: "user" });
    expect(draft.retries.times).toBe(1);
    expect(draft.fallback).not.toContain("content_refused");
  });

  it("keeps the page's own ids from the server", () => {
    const definition = definitionOf({ ...blank(), targets: [newTarget("a")] });
    expect(Object.keys(definition.targets[0] ?? {}).sort()).toEqual([
      "first_byte_timeout",
      "model",
      "private",
      "weight",
      "when",
    ]);
  });

  it("is the same as another when it says the same", () => {
    expect(isSame(toDraft(route), toDraft(route))).toBe(true);
    expect(isSame(toDraft(route), { ...toDraft(route), name: "other" })).toBe(false);
    const [a, b] = toDraft(route).targets;
    expect(a && b && isSame(toDraft(route), { ...toDraft(route), targets: [b, a] })).toBe(false);
  });

  it("looks at weights by its strategy, or by that of new conversations", () => {
    expect(weighs(toDraft(route))).toBe(true);
    expect(weighs({ ...blank(), strategy: "sticky" })).toBe(true);
    expect(weighs({ ...blank(), strategy: "sticky", sticky: { then: "ordered", warm_for: 60 } })).toBe(false);
    expect(weighs(blank())).toBe(false);
  });
});

it("problems are found by field and by part, errors first", () => {
  const problem = (level: "error" | "warning", field: string) => ({
    level,
    field,
    target: null,
    message: `${level} of ${field}`,
    code: "form",
  });
  const problems = problemsIn([
    problem("warning", "targets[1].model"),
    problem("error", "targets[1].model"),
    problem("error", "targets[10].when.tags"),
    problem("error", "targets[1].when.times[0].zone"),
    "nonsense",
    { field: 3 },
  ]);
  expect(problems).toHaveLength(4);
  expect(problemAt(problems, "targets[1].model")?.level).toBe("error");
  expect(problemsWithin(problems, "targets[1]")).toHaveLength(3);
  expect(problemsWithin(problems, "targets[1].when")).toHaveLength(1);
});
