import { create } from "zustand";

import { under } from "@/api/base";
import { toFrame } from "@/features/runs/frames";
import { follow } from "@/features/runs/sse";

import { type Answer, EMPTY_ANSWER, receive } from "./answer";
import { append, type Blocks, NO_BLOCKS } from "./blocks";

/** An answer being written, as the page shows it. */
export interface LiveAnswer {
  answer: Answer;
  /** The answer's text in blocks: all but the last never change again. */
  blocks: Blocks;
  connected: boolean;
}

/** Answers being written, by run. Only the message that shows a run listens to it. */
export const useLive = create<{ runs: Readonly<Record<string, LiveAnswer>> }>()(() => ({ runs: {} }));

const BEFORE: LiveAnswer = { answer: EMPTY_ANSWER, blocks: NO_BLOCKS, connected: true };
/** Screens are drawn at most this often while text comes in; eyes do not read faster. */
const DRAW_EVERY_MS = 50;
const DRAW_SELDOM_MS = 400;

/** The pause before the next drawing. A long last block, such as a table of many rows, is drawn anew as a whole. */
function pauseFor({ tail }: Blocks): number {
  return Math.min(DRAW_EVERY_MS + tail.length / 50, DRAW_SELDOM_MS);
}

function publish(runId: string, live: LiveAnswer): void {
  useLive.setState(({ runs }) => ({ runs: { ...runs, [runId]: live } }));
}

export function forgetRun(runId: string): void {
  useLive.setState(({ runs }) => ({
    runs: Object.fromEntries(Object.entries(runs).filter(([id]) => id !== runId)),
  }));
}

/** Blocks of `next`, from those of the answer before it where that only grew. */
export function reblock(before: LiveAnswer, next: Answer): Blocks {
  const old = before.answer.text;
  if (next.text === old) return before.blocks;
  return next.text.startsWith(old)
    ? append(before.blocks, next.text.slice(old.length))
    : append(NO_BLOCKS, next.text);
}

/** Follow a run until it ends (then `onEnd`) or `signal` aborts. Rejects when the server knows no such run. */
export async function followAnswer(runId: string, signal: AbortSignal, onEnd: () => void): Promise<void> {
  let live = useLive.getState().runs[runId] ?? BEFORE;
  let answer = live.answer;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const draw = () => {
    timer = null;
    live = { ...live, answer, blocks: reblock(live, answer) };
    publish(runId, live);
  };
  signal.addEventListener("abort", () => timer !== null && clearTimeout(timer), { once: true });
  await follow(under(`api/v1/runs/${runId}/events`), {
    signal,
    onConnection: (connected) => {
      if (signal.aborted || connected === live.connected) return;
      live = { ...live, connected };
      publish(runId, live);
    },
    onMessage: (message) => {
      const frame = toFrame(message);
      if (!frame) return false;
      answer = receive(answer, frame);
      if (answer.ended) {
        if (timer !== null) clearTimeout(timer);
        draw();
        onEnd();
        return true;
      }
      timer ??= setTimeout(draw, pauseFor(live.blocks));
      return false;
    },
  });
}
