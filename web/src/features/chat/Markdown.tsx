import { useMemo } from "react";

import { openFence, split } from "./blocks";
import { CodeBlock } from "./CodeBlock";
import { MarkdownBlock } from "./MarkdownBlock";

/** A text that is whole. */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => split(text), [text]);
  return <MarkdownBlocks done={blocks} tail="" />;
}

export interface MarkdownBlocksProps {
  done: readonly string[];
  tail: string;
  growing?: boolean;
}

/** A text in blocks: finished ones are drawn once, an open code block is drawn without parsing it again and again. */
export function MarkdownBlocks({ done, tail, growing = false }: MarkdownBlocksProps) {
  const fence = growing ? openFence(tail) : null;
  const blocks = fence || tail.trim() === "" ? done : [...done, tail];
  return (
    <div className="prose" dir="auto">
      {blocks.map((block, index) => (
        <MarkdownBlock key={index} text={block} />
      ))}
      {fence ? (
        <div className="block">
          <CodeBlock language={fence.language} code={fence.code} plain />
        </div>
      ) : null}
    </div>
  );
}
