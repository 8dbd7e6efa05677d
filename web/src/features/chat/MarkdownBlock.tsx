import { lazy, memo, Suspense } from "react";
import ReactMarkdown from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";

import { hasFormulas } from "./formulas";
import { htmlAsText } from "./htmlAsText";
import { COMPONENTS, SCHEMA } from "./markdownParts";

const WithFormulas = lazy(() => import("./MathBlock").then(({ MathBlock }) => ({ default: MathBlock })));

const REMARK = [remarkGfm, htmlAsText];
const REHYPE: [typeof rehypeSanitize, typeof SCHEMA][] = [[rehypeSanitize, SCHEMA]];

/** One block of Markdown. HTML in it is shown as text; whatever it makes passes the sanitizer. */
export const MarkdownBlock = memo(function MarkdownBlock({ text }: { text: string }) {
  const plain = (
    <ReactMarkdown remarkPlugins={REMARK} rehypePlugins={REHYPE} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
  return (
    <div className="block">
      {hasFormulas(text) ? (
        <Suspense fallback={plain}>
          <WithFormulas text={text} />
        </Suspense>
      ) : (
        plain
      )}
    </div>
  );
});
