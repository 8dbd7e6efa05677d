import { describe, expect, it } from "vitest";

import { append, NO_BLOCKS, openFence, split } from "./blocks";

const SAMPLE = `# Title

First paragraph
of two lines.

- one

  more of one
- two

Text after.

\`\`\`python
def f():

    return 1
\`\`\`

$$
a

b
$$

| a | b |
| - | - |
| 1 | 2 |

1. first

   \`\`\`
   code in a list

   still
   \`\`\`
2. second

The end.`;

describe("split", () => {
  it("cuts at blank lines but never inside lists, fences and formulas", () => {
    const blocks = split(SAMPLE).map((block) => block.trim());
    expect(blocks).toHaveLength(9);
    expect(blocks[2]).toBe("- one\n\n  more of one\n- two");
    expect(blocks[4]).toContain("return 1\n```");
    expect(blocks[5]).toBe("$$\na\n\nb\n$$");
    expect(blocks[7]).toContain("2. second");
  });

  it("loses nothing", () => {
    expect(split(SAMPLE).join("")).toBe(`${SAMPLE}\n`);
  });

  it("cuts long lists, but only where they look the same", () => {
    const list = (mark: (at: number) => string) =>
      Array.from({ length: 50 }, (_, at) => `${mark(at)} item\n`).join("");
    expect(split(list(() => "-"))).toHaveLength(3);
    const counted = split(list((at) => `${at + 5}.`));
    expect(counted).toHaveLength(3);
    expect(counted[1]).toMatch(/^25\. item/);
    expect(split(list(() => "1."))).toHaveLength(1); // the parser counts these
    expect(split(list((at) => (at === 0 ? "-" : "  -")))).toHaveLength(1);
    expect(split(list((at) => (at % 2 ? "   1." : `${at / 2 + 1}.`)))).toHaveLength(2);
  });

  it("keeps a text with definitions whole", () => {
    expect(split("see [a]\n\n[a]: https://example.org")).toHaveLength(1);
  });
});

describe("append", () => {
  const LIST = Array.from({ length: 70 }, (_, at) => `${at + 1}. item\n   - part\n\n   more\n`).join("");

  it.each([SAMPLE, LIST])("gives the same blocks whatever the pieces", (sample) => {
    const text = sample.replace(/\n$/, "");
    for (const size of [1, 2, 3, 7, 50]) {
      let blocks = NO_BLOCKS;
      for (let at = 0; at < text.length; at += size) blocks = append(blocks, text.slice(at, at + size));
      blocks = append(blocks, "\n");
      expect([...blocks.done, blocks.tail], `pieces of ${size}`).toEqual(split(text));
    }
  });

  it("never changes what is done", () => {
    const before = append(NO_BLOCKS, "a\n\nb\n\nc");
    const after = append(before, "\n\nd\n");
    expect(after.done.slice(0, before.done.length)).toEqual(before.done);
  });
});

describe("openFence", () => {
  it("tells open from closed", () => {
    expect(openFence("```ts\nlet a;\nlet")).toEqual({ language: "ts", code: "let a;\nlet" });
    expect(openFence("```ts\nlet a;\n```")).toBeNull();
    expect(openFence("````md\n```\ninner\n```\n")).toMatchObject({ language: "md" });
    expect(openFence("plain")).toBeNull();
  });
});
