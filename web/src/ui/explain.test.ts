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

describe("what a limit refused", () => {
  beforeEach(() => i18n.loadAndActivate({ locale: "en", messages: {} }));
  const budget = {
    subject_kind: "user",
    period: "day",
    currency: "USD",
    amount: 5_000_000_000,
    spent: 4_900_000_000,
    reserved: 0,
    wanted: 200_000_000,
    resets_at: Date.UTC(2026, 10, 26, 12),
  };
  const told = (details: Record<string, unknown>, code = "budget_exceeded") =>
    inWords({ message: "in the server's words", code, details });

  it("says whose budget, how much, and when it begins anew", () => {
    expect(told(budget)).toMatch(
      /^Your budget for today does not suffice: \$4.90 of \$5.00 are spent. It begins anew .*2026.*\.$/,
    );
    expect(told({ ...budget, subject_kind: "group", period: "month" })).toContain(
      "Your team’s budget for this month",
    );
    expect(told({ ...budget, wanted: 6_000_000_000 })).toContain("This answer may cost $6.00");
    const busy = told({ ...budget, spent: 0, reserved: 4_900_000_000 });
    expect(busy).toContain("$4.90 are set aside");
    expect(busy).not.toContain("anew");
  });

  it("says which limit, and when to come back", () => {
    const rate = { limit: "requests_per_minute", allowed: 60, used: 60, subject_kind: "user", resets_at: 1 };
    expect(told(rate, "rate_limited")).toMatch(
      /^Your limit is reached: 60 requests a minute. Try again after .*\.$/,
    );
    const tokens = { limit: "tokens_per_minute", allowed: 100, wanted: 4000, subject_kind: "everyone" };
    expect(told(tokens, "rate_limited")).toContain("This prompt has about 4K tokens");
    const atOnce = { limit: "concurrent_requests", allowed: 2, subject_kind: "key" };
    expect(told(atOnce, "rate_limited")).toBe(
      "The API key’s limit is reached: 2 requests at once. Try again when one has ended.",
    );
  });

  it("keeps the server's words where facts are missing", () => {
    expect(told({})).toBe("In the server's words.");
  });
});
