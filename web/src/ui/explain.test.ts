import { i18n } from "@lingui/core";
import { beforeEach, describe, expect, it } from "vitest";

import { ApiError, Unreachable } from "@/api/error";

import { explain, inWords } from "./explain";

describe("explain", () => {
  beforeEach(() => i18n.loadAndActivate({ locale: "en", messages: {} }));

  it("uses the server's own words in English, as a sentence", () => {
    const inEnglish = (message: string) => explain(new ApiError(message, 400, "bad_input"));
    expect(inEnglish("a title needs a character")).toBe("A title needs a character.");
    expect(inEnglish("smollm2:135m is not loaded")).toBe("smollm2:135m is not loaded.");
    expect(inEnglish("settings.api_key is needed")).toBe("settings.api_key is needed.");
    expect(inEnglish("Is it there?")).toBe("Is it there?");
  });

  it("leads with the page's language elsewhere, and keeps the facts", () => {
    i18n.loadAndActivate({ locale: "zh-CN", messages: {} });
    const words = explain(new ApiError("there is no model x", 404, "model_not_found"));
    expect(words).toMatch(/: there is no model x$/);
    expect(explain(new ApiError("The password does not fit.", 401, "wrong_password"))).not.toContain("fit");
    expect(explain(new ApiError("odd", 418, "teapot"))).toBe("odd.");
  });

  it("puts numbers into the page's language, where the server tells them", () => {
    i18n.loadAndActivate({ locale: "zh-CN", messages: {} });
    const told = { message: "the prompt has 9000 tokens", code: "context_too_long" };
    const details = { prompt_tokens: 9000, context_length: 4096 };
    expect(inWords({ ...told, details })).toMatch(/9000 tokens.*4096/);
    expect(inWords({ ...told, details })).not.toContain(told.message);
    expect(inWords(told)).toMatch(/: the prompt has 9000 tokens$/);
    expect(inWords({ message: "odd", code: null })).toBe("odd.");
  });

  it("says that the server is away, also when a part of the page is missing", () => {
    const away = explain(new Unreachable("x"));
    expect(explain(new TypeError("Failed to fetch dynamically imported module: http://x/y.js"))).toBe(away);
    expect(explain("what?")).not.toBe("");
  });
});
