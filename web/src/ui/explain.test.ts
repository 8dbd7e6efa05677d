import { i18n } from "@lingui/core";
import { beforeEach, describe, expect, it } from "vitest";

import { ApiError, Unreachable } from "@/api/error";

import { explain, inWords } from "./explain";

describe("explain", () => {
  beforeEach(() => i18n.loadAndActivate({ locale: "en", messages: {} }));

  it("uses the server's own words in English", () => {
    expect(explain(new ApiError("a title needs a character", 400, "bad_input"))).toBe(
      "a title needs a character",
    );
  });

  it("leads with the page's language elsewhere, and keeps the facts", () => {
    i18n.loadAndActivate({ locale: "zh-CN", messages: {} });
    const words = explain(new ApiError("there is no model x", 404, "model_not_found"));
    expect(words).toMatch(/\(there is no model x\)$/);
    expect(explain(new ApiError("The name or the password is wrong.", 401, "wrong_password"))).not.toContain(
      "(",
    );
    expect(explain(new ApiError("odd", 418, "teapot"))).toBe("odd");
  });

  it("puts numbers into the page's language, where the server tells them", () => {
    i18n.loadAndActivate({ locale: "zh-CN", messages: {} });
    const told = { message: "the prompt has 9000 tokens", code: "context_too_long" };
    const details = { prompt_tokens: 9000, context_length: 4096 };
    expect(inWords({ ...told, details })).toMatch(/9000 tokens.*4096/);
    expect(inWords({ ...told, details })).not.toContain(told.message);
    expect(inWords(told)).toMatch(/ \(the prompt has 9000 tokens\)$/);
    expect(inWords({ message: "odd", code: null })).toBe("odd");
  });

  it("says that the server is away, also when a part of the page is missing", () => {
    const away = explain(new Unreachable("x"));
    expect(explain(new TypeError("Failed to fetch dynamically imported module: http://x/y.js"))).toBe(away);
    expect(explain("what?")).not.toBe("");
  });
});
