import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { useModels } from "@/features/models/queries";
import { TextField } from "@/ui/TextField";

const SHOWN = 100;

export interface ModelsFieldProps {
  /** Null: all. */
  models: readonly string[] | null;
  legend: string;
  /** What it means to choose none in particular. */
  all: string;
  some: string;
  onChange: (models: string[] | null) => void;
}

/** All models, or a choice of them. A chosen one that is gone stays in the list, to be taken away. */
export function ModelsField({ models, legend, all, some, onChange }: ModelsFieldProps) {
  const { t } = useLingui();
  const { data = [] } = useModels();
  const [query, setQuery] = useState("");
  const chosen = new Set(models ?? []);
  const known = [...new Set([...chosen, ...data.map(({ name }) => name)])];
  const words = query.trim().toLowerCase();
  const shown = known.filter((name) => name.toLowerCase().includes(words));
  const there = new Set(data.map(({ name }) => name));
  const toggle = (name: string) => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    onChange([...next].sort());
  };
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1 text-sm font-medium">{legend}</legend>
      {[[true, all] as const, [false, some] as const].map(([isAll, words]) => (
        <label key={words} className="flex min-h-8 items-center gap-3">
          <input
            type="radio"
            className="size-4 accent-ember"
            checked={(models === null) === isAll}
            onChange={() => onChange(isAll ? null : [])}
          />
          {words}
        </label>
      ))}
      {models === null ? null : (
        <div className="flex flex-col gap-2 border-l-2 border-line pl-3">
          <TextField
            label={t`Search models`}
            value={query}
            spellCheck={false}
            autoCapitalize="off"
            onChange={({ target }) => setQuery(target.value)}
          />
          <ul aria-label={legend} className="max-h-56 overflow-y-auto border-y border-line">
            {shown.slice(0, SHOWN).map((name) => (
              <li key={name}>
                <label className="flex min-h-9 items-center gap-3 rounded px-2 hover:bg-hover">
                  <input
                    type="checkbox"
                    className="size-4 accent-ember"
                    checked={chosen.has(name)}
                    onChange={() => toggle(name)}
                  />
                  <span className="min-w-0 break-words">
                    {name}
                    {there.has(name) || data.length === 0 ? null : (
                      <span className="ml-2 text-sm text-muted">
                        <Trans>not here now</Trans>
                      </span>
                    )}
                  </span>
                </label>
              </li>
            ))}
            {shown.length === 0 ? (
              <li className="px-2 py-2 text-muted">
                <Trans>No model has that name.</Trans>
              </li>
            ) : null}
          </ul>
          <p className="text-sm text-muted">
            {chosen.size === 0 ? (
              <Trans>None chosen: nothing can be called.</Trans>
            ) : (
              <Trans>{chosen.size} chosen</Trans>
            )}
            {shown.length > SHOWN ? (
              <span className="ml-2">
                <Trans>The first {SHOWN} are shown; search for others.</Trans>
              </span>
            ) : null}
          </p>
        </div>
      )}
    </fieldset>
  );
}
