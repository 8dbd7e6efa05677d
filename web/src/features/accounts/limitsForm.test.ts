import { describe, expect, it } from "vitest";

import { fromLimitsForm, readNumber, toLimitsForm } from "./limitsForm";

describe("readNumber", () => {
  it.each([
    ["1500", 1500],
    ["1,500", 1500],
    ["100k", 100_000],
    ["1.5M", 1_500_000],
    ["10万", 100_000],
    ["2亿", 200_000_000],
    ["20 w", 200_000],
    ["12.50", 12.5],
    ["", null],
    ["abc", null],
    ["5x", null],
    ["-5", null],
    ["1.2.3", null],
  ])("reads %s", (text, value) => expect(readNumber(text)).toBe(value));
});

describe("the form of limits", () => {
  const empty = toLimitsForm();

  it("gives back what it was given", () => {
    const limits = {
      amount_per_day: 2_500_000_000,
      amount_per_month: null,
      requests_per_minute: 60,
      tokens_per_minute: 100_000,
      concurrent_requests: 0,
    };
    const form = toLimitsForm(limits);
    expect(form.amount_per_day).toBe("2.5");
    expect(fromLimitsForm(form)).toEqual({ limits, wrong: new Set(), any: true });
  });

  it("is without limits when it is empty", () => {
    expect(fromLimitsForm(empty).any).toBe(false);
    expect(fromLimitsForm(empty).limits.amount_per_day).toBeNull();
  });

  it("says which fields cannot be", () => {
    const form = { ...empty, amount_per_day: "much", requests_per_minute: "1.5", tokens_per_minute: "100k" };
    const { wrong, limits } = fromLimitsForm(form);
    expect([...wrong]).toEqual(["amount_per_day", "requests_per_minute"]);
    expect(limits.tokens_per_minute).toBe(100_000);
  });
});
