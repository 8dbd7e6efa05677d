import { expect, it } from "vitest";

import { typicalHeight } from "./heights";

it("grows with the texts and never says nothing", () => {
  const short = typicalHeight([{ text: "Hello" }, { text: "Hi" }]);
  const long = typicalHeight([{ text: "Hello" }, { text: "word ".repeat(300) }]);
  expect(short).toBeGreaterThan(60);
  expect(long).toBeGreaterThan(3 * short);
  expect(typicalHeight([])).toBeGreaterThan(0);
});
