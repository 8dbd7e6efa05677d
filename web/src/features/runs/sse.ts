import { toApiError } from "@/api/error";

/** One server-sent message. */
export interface SseMessage {
  id: string | null;
  event: string;
  data: string;
}

/** Turns chunks of a `text/event-stream` into messages; a message cut by a chunk's end waits for the next. */
export class SseParser {
  private rest = "";
  private id: string | null = null;
  private event = "";
  private data: string[] = [];

  push(chunk: string): SseMessage[] {
    const messages: SseMessage[] = [];
    const text = this.rest + chunk;
    let start = 0;
    for (;;) {
      const end = lineEnd(text, start);
      if (end === null) break;
      this.line(text.slice(start, end.at), messages);
      start = end.next;
    }
    this.rest = text.slice(start);
    return messages;
  }

  private line(line: string, messages: SseMessage[]): void {
    if (line === "") {
      if (this.data.length > 0) {
        messages.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
      }
      this.event = "";
      this.data = [];
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    else if (name === "event") this.event = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
  }
}

function lineEnd(text: string, start: number): { at: number; next: number } | null {
  for (let at = start; at < text.length; at += 1) {
    const char = text[at];
    if (char === "\n") return { at, next: at + 1 };
    if (char === "\r") {
      if (at + 1 === text.length) return null; // the line feed of a CRLF may be in the next chunk
      return { at, next: text[at + 1] === "\n" ? at + 2 : at + 1 };
    }
  }
  return null;
}

export interface FollowOptions {
  signal: AbortSignal;
  /** Called for each message, in order. Return true when the stream has said all it has to say. */
  onMessage: (message: SseMessage) => boolean;
  /** Told whether the stream is connected, so that the page can say so. */
  onConnection?: (connected: boolean) => void;
  /** The id to resume after, if the caller has seen some already. */
  after?: string | null;
  /** Waits between attempts, in ms: first and longest. */
  backoff?: { first: number; longest: number };
  /** Silence after which the connection counts as dead, in ms; the server pings every 15 s. */
  silence?: number;
}

/**
 * Read an event stream to its end, through broken connections: after each it asks for what follows the last id.
 *
 * Resolves when `onMessage` returned true or `signal` was aborted. Rejects with `ApiError` when the server refuses
 * (4xx other than 408 and 429): trying again would not help.
 */
export async function follow(url: string, options: FollowOptions): Promise<void> {
  const { signal, backoff = { first: 500, longest: 15_000 } } = options;
  let last = options.after ?? null;
  let wait = backoff.first;
  while (!signal.aborted) {
    const before = last;
    try {
      const done = await readOnce(url, last, options, (id) => (last = id ?? last));
      if (done) return;
    } catch (error) {
      if (error instanceof Refused) throw error.reason;
    }
    options.onConnection?.(false);
    if (last !== before) wait = backoff.first;
    await pause(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, backoff.longest);
  }
}

class Refused extends Error {
  constructor(readonly reason: Error) {
    super(reason.message);
  }
}

async function readOnce(
  url: string,
  after: string | null,
  { signal, onMessage, onConnection, silence = 45_000 }: FollowOptions,
  seen: (id: string | null) => void,
): Promise<boolean> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  signal.addEventListener("abort", abort, { once: true });
  let watchdog = setTimeout(abort, silence);
  try {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (after !== null) headers["last-event-id"] = after;
    const response = await fetch(url, { headers, signal: attempt.signal, cache: "no-store" });
    if (!response.ok || !response.body) await refuse(response);
    onConnection?.(true);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new SseParser();
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) return false;
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, silence);
      for (const message of parser.push(piece.value)) {
        const done = onMessage(message);
        seen(message.id);
        if (done) {
          attempt.abort();
          return true;
        }
      }
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", abort);
  }
}

async function refuse(response: Response): Promise<never> {
  const { status } = response;
  const error = toApiError(status, await response.json().catch(() => null));
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) throw new Refused(error);
  throw error;
}

/** Wait, but not longer than until the network returns or the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      window.removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    window.addEventListener("online", end);
    if (signal.aborted) end();
  });
}
