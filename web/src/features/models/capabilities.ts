import { i18n, type MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";

const WORDS: Record<string, MessageDescriptor> = {
  completion: msg`chat`,
  embedding: msg`embeddings`,
  tools: msg`tools`,
  vision: msg`images`,
  audio: msg`sound`,
  files: msg`documents`,
  thinking: msg`thinking`,
  insert: msg`fill-in`,
  rerank: msg`reranking`,
  image: msg`making images`,
  transcription: msg`transcription`,
  speech: msg`speech`,
  moderation: msg`moderation`,
  prefill: msg`going on from a beginning`,
};

/** What a capability is called, in plain words. */
export function capabilityName(name: string): string {
  const word = WORDS[name];
  return word ? i18n._(word) : name;
}

/** What a call may need of a model beyond its kind. */
export const CALL_NEEDS = ["tools", "vision", "audio", "files", "thinking"] as const;
