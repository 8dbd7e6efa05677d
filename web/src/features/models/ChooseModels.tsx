import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { ApiError } from "@/api/error";
import type { KnownModel, Provider } from "@/api/types";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { Skeleton } from "@/ui/Skeleton";
import { TextField } from "@/ui/TextField";

import { ChoiceRow } from "./ChoiceRow";
import { type Choice, choices, chosenModels } from "./choice";
import { useChangeProvider, useKnownModels, useOffered } from "./providers";

const SHOWN = 200;

/** Which of a provider's models may be used here, under which name, and for what price. */
export function ChooseModels({ provider, onDone }: { provider: Provider; onDone: () => void }) {
  const offered = useOffered(provider.id);
  const known = useKnownModels(provider.kind);
  if (offered.isPending || known.isPending) return <Skeleton lines={5} />;
  return (
    <Chooser
      provider={provider}
      offered={offered.data?.models ?? []}
      known={known.data ?? []}
      failed={offered.error}
      retry={() => void offered.refetch()}
      onDone={onDone}
    />
  );
}

interface ChooserProps {
  provider: Provider;
  offered: readonly KnownModel[];
  known: readonly KnownModel[];
  failed: unknown;
  retry: () => void;
  onDone: () => void;
}

function Chooser({ provider, offered, known, failed, retry, onDone }: ChooserProps) {
  const { t } = useLingui();
  const change = useChangeProvider();
  const [query, setQuery] = useState("");
  // What is listed comes later than what is chosen where a first try failed: only what was changed is kept here.
  const [changed, setChanged] = useState<ReadonlyMap<string, Choice>>(new Map());
  const found = choices(provider, offered, known);
  const names = new Set(found.map(({ name }) => name));
  const all = [
    ...[...changed.values()].filter(({ name }) => !names.has(name)),
    ...found.map((choice) => changed.get(choice.name) ?? choice),
  ];
  const words = query.trim();
  const shown = all.filter(({ name, publicName }) =>
    `${name} ${publicName}`.toLowerCase().includes(words.toLowerCase()),
  );
  const put = (choice: Choice) => setChanged(new Map(changed).set(choice.name, choice));
  const chosen = all.filter((choice) => choice.chosen);
  const models = chosenModels(provider, all);
  const wrong = change.error instanceof ApiError ? /^models\[(\d+)\]/.exec(change.error.field ?? "") : null;
  const wrongName = wrong ? models[Number(wrong[1])]?.name : undefined;
  const addTyped = () => {
    put({
      name: words,
      chosen: true,
      publicName: words,
      capabilities: [],
      contextLength: 0,
      prices: null,
      ownPrices: null,
    });
    setQuery("");
  };
  return (
    <div className="flex flex-col gap-4">
      {failed ? (
        <Notice
          look="error"
          action={
            <Button small onClick={retry}>
              <Trans>Try again</Trans>
            </Button>
          }
        >
          {explain(failed)}
        </Notice>
      ) : null}
      <TextField
        label={t`Search, or type a model’s name`}
        value={query}
        spellCheck={false}
        autoCapitalize="off"
        onChange={(event) => setQuery(event.target.value)}
      />
      <ul
        className="max-h-[50dvh] divide-y divide-line overflow-y-auto border-y border-line"
        aria-label={t`Models`}
      >
        {words && !all.some(({ name }) => name === words) ? (
          <li>
            <Button look="quiet" small className="my-1" onClick={addTyped}>
              <Trans>Add “{words}”</Trans>
            </Button>
          </li>
        ) : null}
        {shown.slice(0, SHOWN).map((choice) => (
          <ChoiceRow
            key={choice.name}
            choice={choice}
            error={choice.name === wrongName ? explain(change.error) : undefined}
            onChange={put}
          />
        ))}
      </ul>
      {change.error && !wrongName ? <Notice look="error">{explain(change.error)}</Notice> : null}
      <div className="flex items-center justify-end gap-2">
        <span className="flex-1 text-sm text-muted">
          <Trans>{chosen.length} chosen</Trans>
        </span>
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button
          look="primary"
          busy={change.isPending}
          onClick={() => change.mutate({ id: provider.id, models }, { onSuccess: onDone })}
        >
          <Trans>Save</Trans>
        </Button>
      </div>
    </div>
  );
}
