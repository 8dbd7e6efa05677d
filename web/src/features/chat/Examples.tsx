import { useLingui } from "@lingui/react/macro";
import { ArrowUpRight } from "lucide-react";

/** A few questions to begin with; a click puts one into the input, to be changed or sent. */
export function Examples({ onPrompt }: { onPrompt: (text: string) => void }) {
  const { t } = useLingui();
  const examples = [
    t`Explain how a rainbow forms, in three sentences.`,
    t`Write a short note that thanks a colleague for their help.`,
    t`Give me five ideas for a rainy Sunday.`,
  ];
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
