import { Trans, useLingui } from "@lingui/react/macro";
import { ChevronDown } from "lucide-react";

import type { SuggestionInfo } from "@/api/types";
import { bytes, languageName, listing } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { IconButton } from "@/ui/IconButton";
import { Menu } from "@/ui/Menu";
import { toastError } from "@/ui/toasts";

import { usePull, usePulls } from "./queries";

/** A model worth having, with one click to get it; other places it can be had from are in the menu. */
export function Suggestion({ suggestion }: { suggestion: SuggestionInfo }) {
  const { t } = useLingui();
  const pull = usePull();
  const pulls = usePulls();
  const [first, ...others] = suggestion.sources;
  const coming = (pulls.data ?? []).some(
    ({ status, source }) =>
      status === "running" && suggestion.sources.some((other) => other.source === source),
  );
  if (!first) return null;
  // Under the name it is suggested by, so that it is known for the same wherever it came from.
  const get = (source: string) => pull.mutate({ source, name: suggestion.name }, { onError: toastError });
  const languages = listing(suggestion.languages.slice(0, 4).map(languageName));
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3" data-suggestion={suggestion.name}>
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium">
          {suggestion.title}
          {suggestion.recommended ? (
            <span className="ml-2 text-xs font-medium text-ember">
              <Trans>recommended</Trans>
            </span>
          ) : null}
        </p>
        <p className="text-sm text-muted">{suggestion.description}</p>
        <p className="flex flex-wrap gap-x-2 text-xs text-muted">
          <span>{t`${bytes(first.size)} to download`}</span>
          <span>{t`${bytes(suggestion.memory)} of memory`}</span>
          <span>{languages}</span>
          <span>{suggestion.license}</span>
        </p>
      </div>
      <div className="flex items-center">
        <Button small busy={coming || pull.isPending} onClick={() => get(first.source)}>
          {coming ? <Trans>On its way</Trans> : <Trans>Get</Trans>}
        </Button>
        {others.length > 0 && !coming ? (
          <Menu
            trigger={
              <IconButton small tip="none" label={t`Other sources`} icon={<ChevronDown size={16} />} />
            }
            entries={suggestion.sources.map(({ source }) => ({
              id: source,
              name: source,
              run: () => get(source),
            }))}
          />
        ) : null}
      </div>
    </li>
  );
}
