import { expect, it } from "vitest";

import type { ChosenModelInfo, KnownModel, ModelPrices } from "@/api/types";

import { choices, chosenModels } from "./choice";

const prices = { input: 1_000_000, output: 2_000_000, currency: "USD" } as ModelPrices;
const known = (name: string, more: Partial<KnownModel> = {}): KnownModel => ({
  name,
  capabilities: ["completion"],
  context_length: 8192,
  output_length: 0,
  embedding_length: 0,
  languages: [],
  prices: null,
  ...more,
});
const chosen = (name: string, more: Partial<ChosenModelInfo> = {}): ChosenModelInfo => ({
  ...known(name),
  public_name: name,
  own: [],
  enabled: true,
  ...more,
});

it("everything that can be chosen is there once, what was chosen first", () => {
  const all = choices(
    { models: [chosen("b")] },
    [known("a"), known("b")],
    [known("a", { prices }), known("c")],
  );
  expect(all.map(({ name, chosen }) => [name, chosen])).toEqual([
    ["b", true],
    ["a", false],
    ["c", false],
  ]);
  expect(all[1]?.prices).toEqual(prices);
});

it("only what was said here is sent", () => {
  const provider = {
    models: [
      chosen("a", { context_length: 4096, own: ["context_length"] }),
      chosen("b", { prices, own: ["prices"] }),
    ],
  };
  const all = choices(provider, [known("new")], []).map((choice) => ({ ...choice, chosen: true }));
  expect(chosenModels(provider, all)).toEqual([
    { name: "a", public_name: "a", context_length: 4096, prices: null, enabled: true },
    { name: "b", public_name: "b", prices, enabled: true },
    { name: "new", prices: null, enabled: true },
  ]);
});
