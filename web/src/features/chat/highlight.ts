import hljs from "highlight.js/lib/common";

/** Code as HTML with spans for colours; null for a language nobody knows. Loaded on first use. */
export function highlight(code: string, language: string): string | null {
  if (!hljs.getLanguage(language)) return null;
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
