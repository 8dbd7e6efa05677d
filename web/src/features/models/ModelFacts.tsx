import { useLingui } from "@lingui/react/macro";

import type { ModelInfo } from "@/api/types";
import { bytes, languageName, listing, tokens } from "@/i18n/format";

const SHOWN_LANGUAGES = 3;

/** The facts of a model in one line of small print. */
export function ModelFacts({ model, brief = false }: { model: ModelInfo; brief?: boolean }) {
  const { t } = useLingui();
  const loaded = model.state === "ready" || model.state === "busy";
  const named = model.languages.slice(0, SHOWN_LANGUAGES).map(languageName);
  const languages = listing(model.languages.length > SHOWN_LANGUAGES ? [...named, "…"] : named);
  const context = model.context_length ? tokens(model.context_length) : "";
  const parts = [
    model.local ? null : model.provider,
    model.parameter_size || null,
    brief ? null : model.quantization || null,
    model.local && model.size ? bytes(model.size) : null,
    brief || !context ? null : t`${context} context`,
    languages || null,
    brief && loaded ? t`loaded` : null,
  ].filter(Boolean);
  return (
    <span className="flex flex-wrap gap-x-2 text-xs text-muted">
      {parts.map((part) => (
        <span key={part}>{part}</span>
      ))}
    </span>
  );
}
