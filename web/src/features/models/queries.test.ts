import { describe, expect, it } from "vitest";

import type { ModelInfo } from "@/api/types";

import { isStarter } from "./queries";

const model = (facts: Partial<ModelInfo>) =>
  ({ local: true, languages: ["en"], size: 98_362_432, ...facts }) as ModelInfo;

describe("isStarter", () => {
  it("is a tiny model of this machine that speaks English only", () => {
    expect(isStarter(model({}))).toBe(true);
    expect(isStarter(model({ size: 4_900_000_000 }))).toBe(false);
    expect(isStarter(model({ languages: ["en", "zh"] }))).toBe(false);
    expect(isStarter(model({ languages: [] }))).toBe(false);
    expect(isStarter(model({ local: false, size: 0 }))).toBe(false);
  });
});
