import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { Check, Cloud, HardDrive } from "lucide-react";
import { useState } from "react";

import { ErrorState } from "@/ui/ErrorState";
import { SearchList } from "@/ui/SearchList";
import { Skeleton } from "@/ui/Skeleton";

import { ModelFacts } from "./ModelFacts";
import { canChat, useModels } from "./queries";

export interface ModelChoiceProps {
  current: string | null;
  onPick: (name: string) => void;
  onLeave: () => void;
}

/** The models one can chat with: those on this machine first. */
export function ModelChoice({ current, onPick, onLeave }: ModelChoiceProps) {
  const { t } = useLingui();
  const [query, setQuery] = useState("");
  const models = useModels();
  if (models.isPending) return <Skeleton lines={3} className="p-4" />;
  if (models.isError) {
    return (
      <div className="px-4">
        <ErrorState error={models.error} retry={() => void models.refetch()} />
      </div>
    );
  }
  const words = query.trim().toLowerCase();
  const items = models.data
    .filter((model) => canChat(model) && `${model.name} ${model.provider}`.toLowerCase().includes(words))
    .sort((a, b) => Number(b.local) - Number(a.local) || a.name.localeCompare(b.name))
    .map((model) => ({ id: model.name, model }));
  return (
    <>
      <SearchList
        label={t`Search models`}
        placeholder={t`Search models…`}
        query={query}
        onQuery={setQuery}
        items={items}
        current={current}
        empty={words ? t`No model is called that.` : t`There is no model to chat with yet.`}
        onPick={({ id }) => onPick(id)}
      >
        {({ model }) => {
          const Icon = model.local ? HardDrive : Cloud;
          return (
            <>
              <Icon size={16} aria-hidden className="shrink-0 text-muted" />
              <span className="min-w-0 flex-1">
                <span className="block truncate">{model.name}</span>
                <ModelFacts model={model} brief />
              </span>
              {model.name === current ? (
                <Check size={16} aria-label={t`Chosen`} className="shrink-0 text-ember" />
              ) : null}
            </>
          );
        }}
      </SearchList>
      <Link
        to="/models"
        onClick={onLeave}
        className="flex min-h-10 shrink-0 items-center border-t border-line px-4 text-sm text-ember hover:bg-hover"
      >
        <Trans>Add or manage models</Trans>
      </Link>
    </>
  );
}
