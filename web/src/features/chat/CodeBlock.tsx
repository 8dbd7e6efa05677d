import { useEffect, useState } from "react";

import { CopyButton } from "@/ui/CopyButton";

export interface CodeBlockProps {
  language: string;
  code: string;
  /** Leave the colours out: for code that still grows. */
  plain?: boolean;
}

/** Longer code stays plain: colouring it would hold up the page. */
const COLOURED_UP_TO = 50_000;

/** A block of code with its language and a button to copy it; colours come when the highlighter has loaded. */
export function CodeBlock({ language, code, plain = false }: CodeBlockProps) {
  const [html, setHtml] = useState<{ code: string; html: string } | null>(null);
  useEffect(() => {
    if (plain || code.length > COLOURED_UP_TO) return;
    let wanted = true;
    void import("./highlight").then(({ highlight }) => {
      const result = highlight(code, language);
      if (wanted && result !== null) setHtml({ code, html: result });
    });
    return () => {
      wanted = false;
    };
  }, [code, language, plain]);
  return (
    <div className="code-block">
      <div className="flex h-9 items-center justify-between border-b border-line pr-1 pl-4 text-xs text-muted">
        <span>{language}</span>
        <CopyButton small text={code} tip="end" />
      </div>
      <pre tabIndex={0}>
        {html?.code === code ? (
          // highlight.js escapes what it is given and only adds spans.
          <code dangerouslySetInnerHTML={{ __html: html.html }} />
        ) : (
          <code>{code}</code>
        )}
      </pre>
    </div>
  );
}
