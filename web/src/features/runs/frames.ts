/** One frame of a run's stream, as the server sends it. */
export type Frame =
  | { type: "delta"; id: string | null; deltas: Record<string, unknown>[] }
  | { type: "event"; id: string | null; event: RunEvent }
  | { type: "reset"; id: string | null; state: Record<string, unknown>; status: string }
  | { type: "end"; id: string | null; status: string };

export interface RunEvent {
  type: string;
  payload: Record<string, unknown>;
  seq: number;
  at: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Read one server-sent message; null for kinds this page does not know, which a newer server may send. */
export function toFrame(message: { id: string | null; event: string; data: string }): Frame | null {
  let body: unknown;
  try {
    body = JSON.parse(message.data);
  } catch {
    return null;
  }
  if (!isRecord(body)) return null;
  const { id } = message;
  switch (message.event) {
    case "delta":
      return { type: "delta", id, deltas: Array.isArray(body.deltas) ? body.deltas.filter(isRecord) : [] };
    case "event":
      return {
        type: "event",
        id,
        event: {
          type: typeof body.type === "string" ? body.type : "",
          payload: isRecord(body.payload) ? body.payload : {},
          seq: typeof body.seq === "number" ? body.seq : 0,
          at: typeof body.at === "number" ? body.at : 0,
        },
      };
    case "reset":
      return {
        type: "reset",
        id,
        state: isRecord(body.state) ? body.state : {},
        status: typeof body.status === "string" ? body.status : "running",
      };
    case "end":
      return { type: "end", id, status: typeof body.status === "string" ? body.status : "finished" };
    default:
      return null;
  }
}

/** Where in a run a frame stands: `epoch.seq.offset`. */
export type Position = readonly [epoch: number, seq: number, offset: number];

export function toPosition(id: string | null): Position | null {
  const match = id === null ? null : /^(\d+)\.(\d+)\.(\d+)$/.exec(id);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : null;
}

/** Whether `a` is at or before `b`. */
export function isReached(a: Position, b: Position): boolean {
  for (let index = 0; index < 3; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return true;
}
