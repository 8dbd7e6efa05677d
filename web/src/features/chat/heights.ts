import type { Message } from "@/api/types";

const LINE_PX = 24;
/** The row of acts below a message, and the room around it. */
const AROUND_PX = 56;
const LINE_CHARACTERS = 60;
const LEAST_PX = 80;

/**
 * The height of a message in pixels before any was drawn: the mean over a thread, guessed from its texts.
 *
 * A list that is told too little draws far more rows than the window holds; a fair guess is all it needs.
 */
export function typicalHeight(messages: readonly Pick<Message, "text">[]): number {
  if (messages.length === 0) return LEAST_PX;
  const characters = messages.reduce((sum, { text }) => sum + text.length, 0) / messages.length;
  return Math.max(LEAST_PX, AROUND_PX + LINE_PX * Math.ceil(characters / LINE_CHARACTERS));
}
