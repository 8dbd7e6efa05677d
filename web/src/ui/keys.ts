import type { KeyboardEvent } from "react";

/**
 * Whether a key press belongs to an input method, whose Enter chooses a word and sends nothing.
 *
 * keyCode 229: Safari ends the composition before it reports the Enter that ended it.
 */
export function isComposing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return event.nativeEvent.isComposing || event.keyCode === 229;
}

/** Whether Enter begins a new line by itself: on touch there is no Shift to hold, and a button to send beside it. */
export function isTouch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

/** Whether a key press in a text of several lines sends it. */
export function isSend(event: KeyboardEvent): boolean {
  if (event.key !== "Enter" || isComposing(event)) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return !event.shiftKey && !event.altKey && !isTouch();
}
