import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { useLingui } from "@lingui/react/macro";

const WORDS: Record<string, MessageDescriptor> = {
  completion: msg`chat`,
  embedding: msg`embeddings`,
  tools: msg`tools`,
  vision: msg`images`,
  thinking: msg`thinking`,
  insert: msg`fill-in`,
  rerank: msg`reranking`,
};

/** What a model can do, in plain words. */
export function Capabilities({ names }: { names: readonly string[] }) {
  const { t, i18n } = useLingui();
  if (names.length === 0) return null;
  const words = names.map((name) => {
    const word = WORDS[name];
    return word ? i18n._(word) : name;
  });
  return (
    <span className="text-xs text-muted">
      <span className="sr-only">{t`Can do:`} </span>
      {words.join(" · ")}
    </span>
  );
}
