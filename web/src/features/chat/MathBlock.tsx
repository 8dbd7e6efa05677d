import "katex/dist/katex.min.css";

import ReactMarkdown from "react-markdown";
import rehypeKatex from "rehype-katex";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import remarkMath from "remark-math";

import { normaliseFormulas } from "./formulas";
import { htmlAsText } from "./htmlAsText";
import { COMPONENTS, SCHEMA } from "./markdownParts";

/** A block with formulas in it; loaded when the first one is met. KaTeX draws after the sanitizer: it is trusted. */
export function MathBlock({ text }: { text: string }) {
  return (
    <ReactMarkdown
      remarkPlugins={[remarkGfm, remarkMath, htmlAsText]}
      rehypePlugins={[
        [rehypeSanitize, SCHEMA],
        [rehypeKatex, { throwOnError: false, strict: false, trust: false, maxExpand: 200, maxSize: 20 }],
      ]}
      components={COMPONENTS}
    >
      {normaliseFormulas(text)}
    </ReactMarkdown>
  );
}
