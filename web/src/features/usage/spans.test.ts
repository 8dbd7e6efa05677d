import { describe, expect, it } from "vitest";

import { spanOf, steps } from "./spans";

const NOON = new Date(2026, 2, 10, 12, 34).getTime();

describe("spans", () => {
  it("begin with a day and end with the present hour", () => {
    expect(spanOf("today", NOON)).toEqual({
      since: new Date(2026, 2, 10).getTime(),
      until: new Date(2026, 2, 10, 13).getTime(),
    });
    expect(spanOf("week", NOON).since).toBe(new Date(2026, 2, 4).getTime());
    expect(spanOf("month", NOON).since).toBe(new Date(2026, 1, 9).getTime());
    expect(spanOf("year", NOON).since).toBe(new Date(2025, 2, 10).getTime());
  });

  it("have a bar for each hour or day, the empty ones too", () => {
    expect(steps(spanOf("today", NOON), "hour")).toHaveLength(13);
    expect(steps(spanOf("week", NOON), "day")).toHaveLength(7);
  });
});
