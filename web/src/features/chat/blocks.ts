/**
 * Markdown cut into its top-level blocks, so that a growing answer costs only its last block.
 *
 * A block ends at a blank line that nothing holds open: no code fence, no display formula, no list that goes on. A
 * list that has many items goes on in another block: as one it would be parsed anew, whole, with each word. Cutting is a matter of speed, not of meaning: a block parsed alone must look as it does within the whole.
 */
export interface Blocks {
  /** Blocks that no later text can change. */
  done: readonly string[];
  /** The last block, which may still grow. */
  tail: string;
}

export const NO_BLOCKS: Blocks = { done: [], tail: "" };

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const LIST_ITEM = /^( {0,3})(?:([-*+])|(\d{1,9})([.)]))(?:\s|$)/;
const ITEMS_OF_A_BLOCK = 20;
const INDENTED = /^(?: {2,}|\t)\S/;
const DEFINITION = /^ {0,3}\[[^\]]+\]:\s/m;

/** The blocks after `more` text was appended. Only the tail is read again. */
export function append(blocks: Blocks, more: string): Blocks {
  const text = blocks.tail + more;
  const cuts = cut(text);
  if (cuts.length === 0) return { done: blocks.done, tail: text };
  const done = [...blocks.done];
  let start = 0;
  for (const end of cuts) {
    done.push(text.slice(start, end));
    start = end;
  }
  return { done, tail: text.slice(start) };
}

/** All blocks of a text that is whole. A text with link or footnote definitions stays in one piece. */
export function split(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const { done, tail } = append(NO_BLOCKS, text.endsWith("\n") ? text : `${text}\n`);
  return tail.trim() === "" ? [...done] : [...done, tail];
}

/** Whether a block is a code fence that has not been closed yet. */
export function openFence(block: string): { language: string; code: string } | null {
  const lines = block.replace(/^\n+/, "").split("\n");
  const opening = FENCE.exec(lines[0] ?? "");
  if (!opening) return null;
  const marker = opening[1] ?? "";
  for (let index = 1; index < lines.length; index += 1) {
    if (closes(lines[index] ?? "", marker)) return null;
  }
  return { language: (opening[2] ?? "").trim().split(/\s+/)[0] ?? "", code: lines.slice(1).join("\n") };
}

function closes(line: string, marker: string): boolean {
  const match = FENCE.exec(line);
  return (
    match?.[1]?.[0] === marker[0] && (match?.[1]?.length ?? 0) >= marker.length && match?.[2]?.trim() === ""
  );
}

/** Offsets in `text` at which a block has ended for good. A last line without line end is never judged. */
function cut(text: string): number[] {
  const cuts: number[] = [];
  let fence: string | null = null;
  let formula = false;
  let list: List | null = null;
  let blank = false;
  let started = false;
  let position = 0;
  for (;;) {
    const end = text.indexOf("\n", position);
    if (end < 0) break;
    const line = text.slice(position, end);
    if (fence !== null) {
      if (closes(line, fence)) fence = null;
    } else if (formula) {
      if (/(?:\$\$|\\\])\s*$/.test(line)) formula = false;
    } else if (line.trim() === "") {
      blank = started;
    } else {
      const item = LIST_ITEM.exec(line);
      const continues: boolean = list !== null && (item !== null || INDENTED.test(line));
      if (blank && !continues) {
        cuts.push(position);
        list = null;
      }
      blank = false;
      started = true;
      if (item) {
        if (list && isLong(list, item)) {
          cuts.push(position);
          list = null;
        }
        list = withItem(list, item);
      }
      const opening = FENCE.exec(line) ?? (list ? /^\s*(`{3,}|~{3,})(.*)$/.exec(line) : null);
      if (opening && !(opening[1]?.startsWith("`") && opening[2]?.includes("`"))) fence = opening[1] ?? null;
      else if (opensFormula(line)) formula = true;
    }
    position = end + 1;
  }
  return cuts;
}

/** A list as far as it was read; `next` is the number that its next item has if it counts on. */
interface List {
  indent: string;
  mark: string;
  items: number;
  next: number;
}

function withItem(list: List | null, [, indent = "", bullet, number, after]: RegExpExecArray): List {
  const count = Number(number ?? 0);
  if (!list) return { indent, mark: bullet ?? after ?? "", items: 1, next: count + 1 };
  if (indent !== list.indent) return list; // an item of an item
  return { ...list, items: list.items + 1, next: bullet || count === list.next ? list.next + 1 : Number.NaN };
}

/** Whether a list has enough items to go on in another block, which would look the same. */
function isLong({ indent, mark, items, next }: List, item: RegExpExecArray): boolean {
  if (items < ITEMS_OF_A_BLOCK || item[1] !== indent) return false;
  return item[2] === undefined ? item[4] === mark && Number(item[3]) === next : item[2] === mark;
}

function opensFormula(line: string): boolean {
  const trimmed = line.trim();
  if (trimmed.startsWith("$$")) return trimmed === "$$" || !trimmed.slice(2).includes("$$");
  return trimmed.startsWith("\\[") && !trimmed.includes("\\]");
}
