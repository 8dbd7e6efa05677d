import { describe, expect, it } from "vitest";

import type { Frame } from "@/features/runs/frames";

import { type Answer, EMPTY_ANSWER, receive } from "./answer";

const text = (id: string, ...pieces: string[]): Frame => ({
  type: "delta",
  id,
  deltas: pieces.map((piece) => ({ type: "text", text: piece })),
});

const all = (frames: Frame[], from: Answer = EMPTY_ANSWER) => frames.reduce(receive, from);

describe("receive", () => {
  it("appends text and reasoning in order", () => {
    const answer = all([
      { type: "delta", id: "1.2.1", deltas: [{ type: "reasoning", text: "hm" }] },
      text("1.2.2", "Hel", "lo"),
      text("1.3.1", "!"),
    ]);
    expect(answer.text).toBe("Hello!");
    expect(answer.reasoning).toBe("hm");
  });

  it("passes over what comes again after a reconnect", () => {
    const frames = [text("1.2.1", "a"), text("1.2.2", "b"), text("1.3.1", "c")];
    expect(all([...frames, ...frames.slice(1), text("1.3.2", "d")]).text).toBe("abcd");
  });

  it("does not mistake a higher offset of an earlier slice for something new", () => {
    expect(all([text("1.3.1", "c"), text("1.2.9", "x")]).text).toBe("c");
  });

  it("replaces everything on reset, even by less", () => {
    const answer = all([
      text("1.2.1", "a long beginning"),
      { type: "reset", id: "2.1.0", state: { text: "short", model: "m" }, status: "running" },
      text("2.2.1", "er"),
    ]);
    expect(answer.text).toBe("shorter");
    expect(answer.model).toBe("m");
  });

  it("keeps notices, usage, the end and the failure's words", () => {
    const event = (id: string, type: string, payload: Record<string, unknown>): Frame => ({
      type: "event",
      id,
      event: { type, payload, seq: 1, at: 0 },
    });
    const answer = all([
      event("1.1.0", "chat.started", { model: "smollm2" }),
      event("1.2.0", "chat.notice", { kind: "truncated", message: "cut", details: { dropped_messages: 2 } }),
      event("1.2.0", "chat.notice", { kind: "truncated", message: "cut", details: {} }),
      event("1.3.0", "chat.usage", { input: 5, output: 7, tokens_per_second: 40.5 }),
      event("1.4.0", "run.failed", { error: { code: "upstream_failed", message: "it broke" } }),
      { type: "end", id: null, status: "failed" },
    ]);
    expect(answer).toMatchObject({ model: "smollm2", status: "failed", ended: true, error: "it broke" });
    expect(answer.notices).toHaveLength(1);
    expect(answer.usage).toMatchObject({ input: 5, output: 7, cached: 0, tokens_per_second: 40.5 });
  });

  it("ignores deltas it does not know", () => {
    expect(all([{ type: "delta", id: "1.1.1", deltas: [{ type: "image", text: "?" }, {}] }]).text).toBe("");
  });
});
