import { i18n } from "@lingui/core";
import { beforeAll, expect, it } from "vitest";

import { NO_CONDITIONS } from "./draft";
import { conditionsInWords, hoursInWords, seconds } from "./words";

beforeAll(() => i18n.loadAndActivate({ locale: "en", messages: {} }));

it("conditions are said in words", () => {
  expect(conditionsInWords(NO_CONDITIONS, "USD")).toEqual([]);
  const when = {
    ...NO_CONDITIONS,
    needs: ["tools", "vision"],
    without_tags: ["hard"],
    min_prompt_tokens: 0,
    max_prompt_tokens: 4000,
    max_cost: 20_000_000,
  };
  expect(conditionsInWords(when, "USD")).toEqual([
    "calls that need tools, images",
    "not tagged hard",
    "prompts of 0 to 4,000 tokens",
    "calls for at most $0.02",
  ]);
});

it("hours are said with their place", () => {
  const night = { start: "22:00", end: "06:00", zone: "Asia/Shanghai" };
  expect(hoursInWords({ ...night, days: ["sun", "sat"] })).toBe("Sat, Sun 22:00–06:00 (Asia/Shanghai)");
  const always = { start: "00:00", end: "00:00", zone: "UTC" };
  expect(hoursInWords({ ...always, days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] })).toBe(
    "every day all day (UTC)",
  );
});

it("times are said in the largest unit that fits", () => {
  expect([0.5, 10, 90, 120, 3600, 86_400, 172_800].map(seconds)).toEqual([
    "0.5 sec",
    "10 sec",
    "1.5 min",
    "2 min",
    "1 hr",
    "1 day",
    "2 days",
  ]);
});
