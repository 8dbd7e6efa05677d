import { generateMessageId } from "@lingui/message-utils/generateMessageId";
import { expect, test } from "vitest";

test.each(["en", "zh-CN"] as const)("a text of %s is among the first or among the rest", async (language) => {
  const { messages: first } = await (language === "en"
    ? import("./locales/en.po?first")
    : import("./locales/zh-CN.po?first"));
  const { messages: rest } = await (language === "en"
    ? import("./locales/en.po?rest")
    : import("./locales/zh-CN.po?rest"));
  expect(Object.keys(first).filter((id) => id in rest)).toEqual([]);
  for (const text of ["Sign in", "New chat", "Search"])
    expect(first).toHaveProperty([generateMessageId(text)]);
  for (const text of ["Add a provider", "Budgets"]) expect(rest).toHaveProperty([generateMessageId(text)]);
});
