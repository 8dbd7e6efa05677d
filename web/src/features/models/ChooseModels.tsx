import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { OfferedModel, Provider } from "@/api/types";
import { Button } from "@/ui/Button";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";
import { TextField } from "@/ui/TextField";
import { toastError } from "@/ui/toasts";

import { chosenModels } from "./choice";
import { useChangeProvider, useOffered } from "./providers";

const SHOWN = 200;

/** Which of a provider's models may be used here. A name it does not list can be typed. */
export function ChooseModels({ provider, onDone }: { provider: Provider; onDone: () => void }) {
  const { t } = useLingui();
  const offered = useOffered(provider.id);
  const change = useChangeProvider();
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(() => new Set(provider.models.map(({ name }) => name)));

  const known = new Set([...(offered.data?.models ?? []).map(({ name }) => name), ...chosen]);
  const words = query.trim();
  const shown = [...known].filter((name) => name.toLowerCase().includes(words.toLowerCase())).sort();
  const toggle = (name: string) => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    setChosen(next);
  };
  const addTyped = () => {
    toggle(words);
    setQuery("");
  };
  const save = () => {
    const models = chosenModels(provider, offered.data?.models ?? ([] as OfferedModel[]), [...chosen].sort());
    change.mutate({ id: provider.id, models }, { onSuccess: onDone, onError: toastError });
  };

  if (offered.isPending) return <Skeleton lines={5} />;
  return (
    <div className="flex flex-col gap-4">
      {offered.isError ? <ErrorState error={offered.error} retry={() => void offered.refetch()} /> : null}
      <TextField
        label={t`Search, or type a model’s name`}
        value={query}
        spellCheck={false}
        autoCapitalize="off"
        onChange={(event) => setQuery(event.target.value)}
      />
      <ul className="max-h-[40dvh] overflow-y-auto border-y border-line" aria-label={t`Models`}>
        {words && !known.has(words) ? (
          <li>
            <Button look="quiet" small className="my-1" onClick={addTyped}>
              <Trans>Add “{words}”</Trans>
            </Button>
          </li>
        ) : null}
        {shown.slice(0, SHOWN).map((name) => (
          <li key={name}>
            <label className="flex min-h-9 items-center gap-3 rounded px-2 hover:bg-hover">
              <input
                type="checkbox"
                className="size-4 accent-ember"
                checked={chosen.has(name)}
                onChange={() => toggle(name)}
              />
              <span className="min-w-0 break-words">{name}</span>
            </label>
          </li>
        ))}
      </ul>
      <div className="flex items-center justify-end gap-2">
        <span className="flex-1 text-sm text-muted">
          <Trans>{chosen.size} chosen</Trans>
        </span>
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" busy={change.isPending} onClick={save}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </div>
  );
}
