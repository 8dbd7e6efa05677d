import type { Conversation } from "@/api/types";

import { type Day, dayOf } from "./days";

export type Row = { kind: "day"; day: Day } | { kind: "conversation"; conversation: Conversation };

/** Conversations, latest first, each day's under a heading. */
export function grouped(conversations: readonly Conversation[], now: number): Row[] {
  const rows: Row[] = [];
  let current: Day | null = null;
  for (const conversation of conversations) {
    const day = dayOf(conversation.updated_at, now);
    if (day !== current) rows.push({ kind: "day", day });
    current = day;
    rows.push({ kind: "conversation", conversation });
  }
  return rows;
}
