import { isValidElement, type ReactNode } from "react";
import type { Components } from "react-markdown";
import { defaultSchema } from "rehype-sanitize";

import { CodeBlock } from "./CodeBlock";

/** GitHub's allow list, and the class names by which code and formulas are told apart. */
export const SCHEMA: typeof defaultSchema = {
  ...defaultSchema,
  attributes: {
    ...defaultSchema.attributes,
    code: [["className", /^language-./, "math-inline", "math-display"]],
  },
};

function textOf(node: ReactNode): string {
  if (typeof node === "string") return node;
  if (Array.isArray(node)) return node.map(textOf).join("");
  if (isValidElement<{ children?: ReactNode }>(node)) return textOf(node.props.children);
  return "";
}

/** How the elements of an answer are drawn. */
export const COMPONENTS: Components = {
  a: ({ href, children, id }) => (
    <a href={href} id={id} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  ),
  // A picture elsewhere would tell its server what was said here: it is offered as a link instead.
  img: ({ src, alt }) => (
    <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noopener noreferrer nofollow">
      {alt ?? src}
    </a>
  ),
  pre: ({ children }) => {
    const code = isValidElement<{ className?: string; children?: ReactNode }>(children)
      ? children.props
      : null;
    const language = /language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
    return <CodeBlock language={language} code={textOf(code?.children ?? children).replace(/\n$/, "")} />;
  },
  table: ({ children }) => (
    <div className="table-scroll" tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
};
