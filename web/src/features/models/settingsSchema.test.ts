import { describe, expect, it } from "vitest";

import { fromForm, settingSpecs, toForm } from "./settingsSchema";

const SCHEMA = {
  type: "object",
  required: ["base_url"],
  properties: {
    base_url: { type: "string", title: "Base URL", description: "Ends in /v1." },
    api_key: { type: "string", secret: true },
    timeout: { type: "integer", default: 60 },
    verify: { type: "boolean", default: true },
    tags: { type: "array", items: { type: "string" } },
    mode: { enum: ["a", "b"], default: "a" },
    headers: { type: "object" },
  },
};

describe("settingSpecs", () => {
  it("reads what a form can show, in order", () => {
    const specs = settingSpecs(SCHEMA);
    expect(specs.map(({ name, type }) => [name, type])).toEqual([
      ["base_url", "string"],
      ["api_key", "string"],
      ["timeout", "number"],
      ["verify", "boolean"],
      ["tags", "list"],
      ["mode", "choice"],
    ]);
    expect(specs[0]).toMatchObject({ title: "Base URL", required: true, secret: false });
    expect(specs[1]).toMatchObject({ title: "api key", secret: true });
  });
});

describe("fromForm", () => {
  const specs = settingSpecs(SCHEMA);

  it("gives back what it was given, secrets aside", () => {
    const form = toForm(specs, { base_url: "https://x/v1", timeout: 5, verify: false, tags: ["p", "q"] });
    expect(fromForm(specs, form)).toEqual({
      base_url: "https://x/v1",
      timeout: 5,
      verify: false,
      tags: ["p", "q"],
      mode: "a",
    });
  });

  it("sends a secret only when one was typed, and takes away what was emptied", () => {
    const form = { ...toForm(specs, { base_url: "https://x/v1" }), api_key: " sk-1 ", timeout: "" };
    expect(fromForm(specs, form)).toMatchObject({ api_key: "sk-1", timeout: null });
    expect(fromForm(specs, { ...form, api_key: "" })).not.toHaveProperty("api_key");
  });

  it("leaves it to the server to refuse what is no number", () => {
    const form = toForm(specs, { base_url: "https://x/v1" });
    expect(fromForm(specs, { ...form, timeout: "4 s" })).toMatchObject({ timeout: "4 s" });
  });
});
