import { afterEach, describe, expect, it, vi } from "vitest";

import { ApiError } from "@/api/error";

import { follow, type SseMessage, SseParser } from "./sse";

describe("SseParser", () => {
  const stream = ': ping\r\n\r\nid: 1.2.0\nevent: delta\ndata: {"a":\ndata: 1}\n\ndata: x\n\n';
  const expected = [
    { id: "1.2.0", event: "delta", data: '{"a":\n1}' },
    { id: "1.2.0", event: "message", data: "x" },
  ];

  it.each([1, 2, 3, 5, 1000])("reads messages from pieces of %i", (size) => {
    const parser = new SseParser();
    const messages: SseMessage[] = [];
    for (let at = 0; at < stream.length; at += size)
      messages.push(...parser.push(stream.slice(at, at + size)));
    expect(messages).toEqual(expected);
  });

  it("drops a message that the end of the stream cut", () => {
    expect(new SseParser().push("data: half")).toEqual([]);
  });
});

describe("follow", () => {
  afterEach(() => vi.unstubAllGlobals());

  function answers(...bodies: (string | number)[]) {
    const asked: (string | null)[] = [];
    vi.stubGlobal("fetch", (_: string, init: { headers: Record<string, string> }) => {
      asked.push(init.headers["last-event-id"] ?? null);
      const body = bodies.shift();
      if (typeof body !== "string") return Promise.resolve(new Response("{}", { status: body ?? 500 }));
      return Promise.resolve(new Response(body));
    });
    return asked;
  }

  const quick = { first: 1, longest: 2 };

  it("resumes after the last id until the caller is done", async () => {
    const asked = answers(
      "id: 1\ndata: a\n\nid: 2\ndata: b\n\n",
      503,
      "id: 3\ndata: c\n\nid: 4\ndata: d\n\n",
    );
    const seen: string[] = [];
    await follow("x", {
      signal: new AbortController().signal,
      backoff: quick,
      onMessage: ({ data }) => seen.push(data) === 3,
    });
    expect(seen).toEqual(["a", "b", "c"]);
    expect(asked).toEqual([null, "2", "2"]);
  });

  it("gives up when the server refuses", async () => {
    answers(404);
    const { signal } = new AbortController();
    await expect(follow("x", { signal, backoff: quick, onMessage: () => false })).rejects.toThrow(ApiError);
  });

  it("ends quietly when aborted while it waits", async () => {
    answers(503);
    const controller = new AbortController();
    const done = follow("x", {
      signal: controller.signal,
      backoff: { first: 60_000, longest: 60_000 },
      onMessage: () => false,
      onConnection: () => controller.abort(),
    });
    await expect(done).resolves.toBeUndefined();
  });
});
