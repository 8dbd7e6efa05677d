import { useLingui } from "@lingui/react/macro";
import { ArrowUpRight } from "lucide-react";

import { canChat, useModels } from "@/features/models/queries";

const ENGLISH = [
  "Explain how a rainbow forms, in three sentences.",
  "Write a short note that thanks a colleague for their help.",
  "Give me five ideas for a rainy Sunday.",
];

/** Whether no model here understands anything but English, as on the first day. */
function useEnglishOnly(): boolean {
  const able = (useModels().data ?? []).filter(canChat);
  return able.length > 0 && able.every(({ languages }) => languages.length === 1 && languages[0] === "en");
}

/**
 * A few questions to begin with; a click puts one into the input, to be changed or sent.
 *
 * They are in the reader's language, unless only English would be understood.
 */
export function Examples({ onPrompt }: { onPrompt: (text: string) => void }) {
  const { t } = useLingui();
  const englishOnly = useEnglishOnly();
  const localized = [
    t`Explain how a rainbow forms, in three sentences.`,
    t`Write a short note that thanks a colleague for their help.`,
    t`Give me five ideas for a rainy Sunday.`,
  ];
  const examples = englishOnly ? ENGLISH : localized;
  return (
    <ul aria-label={t`Examples`} className="divide-y divide-line border-y border-line">
      {examples.map((example) => (
        <li key={example}>
          <button
            type="button"
            onClick={() => onPrompt(example)}
            className="flex min-h-11 w-full items-center gap-3 py-2 text-left text-muted transition-colors hover:text-ink"
          >
            <span className="flex-1">{example}</span>
            <ArrowUpRight size={16} aria-hidden className="shrink-0" />
          </button>
        </li>
      ))}
    </ul>
  );
}
