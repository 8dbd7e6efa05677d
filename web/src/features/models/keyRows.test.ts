import { expect, it } from "vitest";

import { keyRows, keySettings, newKey } from "./keyRows";

it("keys that stay are sent by number, in their new order", () => {
  const [one, two, three] = keyRows(3);
  if (!one || !two || !three) throw new Error("three rows were asked for");
  expect(keySettings([three, { ...newKey(), text: " sk-new " }, one])).toEqual({
    api_key: { kept: 3 },
    api_keys: ["sk-new", { kept: 1 }],
  });
  expect(keySettings([two])).toEqual({ api_key: { kept: 2 }, api_keys: null });
});

it("no key at all takes away what there was", () => {
  expect(keySettings(keyRows(0))).toEqual({ api_key: null, api_keys: null });
  expect(keySettings([])).toEqual({ api_key: null, api_keys: null });
});
