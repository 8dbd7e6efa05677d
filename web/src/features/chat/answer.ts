import { type Frame, isReached, type Position, toPosition } from "@/features/runs/frames";

export interface AnswerUsage {
  input: number;
  output: number;
  cached: number;
  reasoning: number;
  estimated: boolean;
  tokens_per_second: number | null;
  ttft_ms: number | null;
  duration_ms: number | null;
}

export interface AnswerNotice {
  kind: string;
  message: string;
  details?: Record<string, unknown>;
}

/** An answer as it grows: the fold of a chat run's frames. */
export interface Answer {
  text: string;
  reasoning: string;
  model: string | null;
  notices: readonly AnswerNotice[];
  usage: AnswerUsage | null;
  finishReason: string | null;
  /** The run's status; `running` until the end frame. */
  status: string;
  error: string | null;
  ended: boolean;
  /** The last frame taken in; what comes again after a reconnect is passed over. */
  position: Position | null;
}

export const EMPTY_ANSWER: Answer = {
  text: "",
  reasoning: "",
  model: null,
  notices: [],
  usage: null,
  finishReason: null,
  status: "running",
  error: null,
  ended: false,
  position: null,
};

/** The answer after one more frame. Pure; a frame that was seen already changes nothing, a reset replaces all. */
export function receive(answer: Answer, frame: Frame): Answer {
  const position = toPosition(frame.id);
  if (frame.type === "reset") return { ...fromState(frame.state), status: frame.status, position };
  if (frame.type === "end") return { ...answer, status: frame.status, ended: true };
  if (position && answer.position && isReached(position, answer.position)) return answer;
  const at = position ?? answer.position;
  if (frame.type === "event")
    return { ...onEvent(answer, frame.event.type, frame.event.payload), position: at };
  let { text, reasoning } = answer;
  for (const delta of frame.deltas) {
    if (typeof delta.text !== "string") continue;
    if (delta.type === "text") text += delta.text;
    else if (delta.type === "reasoning") reasoning += delta.text;
  }
  return { ...answer, text, reasoning, position: at };
}

function onEvent(answer: Answer, type: string, payload: Record<string, unknown>): Answer {
  switch (type) {
    case "chat.started":
      return { ...answer, model: text(payload.model) ?? answer.model };
    case "chat.notice": {
      const notice = toNotice(payload);
      return notice ? { ...answer, notices: [...answer.notices, notice] } : answer;
    }
    case "chat.usage":
      return { ...answer, usage: toUsage(payload) };
    case "run.finished":
      return { ...answer, finishReason: finishReason(payload) ?? answer.finishReason };
    case "run.failed":
      return { ...answer, error: errorMessage(payload) };
    default:
      return answer;
  }
}

function finishReason(payload: Record<string, unknown>): string | null {
  const output = typeof payload.output === "object" && payload.output !== null ? payload.output : payload;
  return text((output as Record<string, unknown>).finish_reason);
}

function errorMessage({ error }: Record<string, unknown>): string | null {
  return isRecord(error) ? text(error.message) : null;
}

/** An answer from the folded state of a run. */
export function fromState(state: Record<string, unknown>): Answer {
  const notices = Array.isArray(state.notices) ? state.notices : [];
  return {
    ...EMPTY_ANSWER,
    text: text(state.text) ?? "",
    reasoning: text(state.reasoning) ?? "",
    model: text(state.model),
    notices: notices.map(toNotice).filter((notice) => notice !== null),
    usage: isRecord(state.usage) ? toUsage(state.usage) : null,
    finishReason: text(state.finish_reason),
    error: errorMessage(state),
  };
}

function toNotice(value: unknown): AnswerNotice | null {
  if (!isRecord(value) || typeof value.message !== "string") return null;
  return {
    kind: text(value.kind) ?? "",
    message: value.message,
    details: isRecord(value.details) ? value.details : {},
  };
}

function toUsage(value: Record<string, unknown>): AnswerUsage {
  return {
    input: count(value.input) ?? 0,
    output: count(value.output) ?? 0,
    cached: count(value.cached) ?? 0,
    reasoning: count(value.reasoning) ?? 0,
    estimated: value.estimated === true,
    tokens_per_second: count(value.tokens_per_second),
    ttft_ms: count(value.ttft_ms),
    duration_ms: count(value.duration_ms),
  };
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
