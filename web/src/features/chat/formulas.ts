/**
 * Brings the ways models write formulas to the one way the Markdown parser reads: `$…$` and `$$…$$`.
 *
 * `\( \)` and `\[ \]` are rewritten, `$$…$$` alone on a line is displayed, and a dollar sign that is money is escaped
 * (pandoc's rule: an opening dollar has a non-space on its right, a closing one a non-space on its left and no digit
 * on its right). Code is left alone.
 */
export function normaliseFormulas(markdown: string): string {
  if (!mayHaveFormulas(markdown)) return markdown;
  let out = "";
  let end = 0;
  for (const code of markdown.matchAll(CODE)) {
    out += inText(markdown.slice(end, code.index)) + code[0];
    end = code.index + code[0].length;
  }
  return out + inText(markdown.slice(end));
}

/** A fenced block (closed, or open to the text's end) or a code span. */
const CODE =
  /^ {0,3}(?:`{3,}|~{3,})[\s\S]*?(?:^ {0,3}(?:`{3,}|~{3,})[ \t]*$|$(?![\s\S]))|(`+)[^`](?:[\s\S]*?[^`])??\1(?!`)/gm;

/** Whether it is worth loading the formula renderer for a text. */
export function mayHaveFormulas(markdown: string): boolean {
  return /\$|\\\(|\\\[/.test(markdown);
}

/** Whether a text has formulas once money is out of the way. */
export function hasFormulas(markdown: string): boolean {
  return mayHaveFormulas(markdown) && /(?<!\\)\$/.test(normaliseFormulas(markdown));
}

function inText(text: string): string {
  const dollars = text
    .replace(/\\\[([\s\S]+?)\\\]/g, (_, inner: string) => display(inner))
    .replace(/^\$\$([^\n$]+)\$\$[ \t]*$/gm, (_, inner: string) => display(inner))
    .replace(/\\\(([\s\S]+?)\\\)/g, (_, inner: string) => `$${inner.trim()}$`);
  return escapeMoney(dollars);
}

function display(inner: string): string {
  return `\n$$\n${inner.trim()}\n$$\n`;
}

/** Escapes every single dollar sign that does not delimit a formula. */
function escapeMoney(text: string): string {
  let out = "";
  let index = 0;
  while (index < text.length) {
    const char = text[index] ?? "";
    if (char === "\\") {
      out += text.slice(index, index + 2);
      index += 2;
    } else if (text.startsWith("$$", index)) {
      const end = text.indexOf("$$", index + 2);
      const stop = end < 0 ? text.length : end + 2;
      out += text.slice(index, stop);
      index = stop;
    } else if (char === "$") {
      const end = closingDollar(text, index);
      out += end < 0 ? "\\$" : text.slice(index, end + 1);
      index = end < 0 ? index + 1 : end + 1;
    } else {
      out += char;
      index += 1;
    }
  }
  return out;
}

function closingDollar(text: string, opening: number): number {
  if (/\s|^$/.test(text[opening + 1] ?? "")) return -1;
  for (let index = opening + 1; index < text.length; index += 1) {
    const char = text[index];
    if (char === "\\") index += 1;
    else if (char === "\n" && text[index + 1] === "\n") return -1;
    else if (char === "$") {
      const closes = !/\s/.test(text[index - 1] ?? " ") && !/\d/.test(text[index + 1] ?? "");
      return closes && index > opening + 1 ? index : -1;
    }
  }
  return -1;
}
