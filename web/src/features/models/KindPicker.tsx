import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import type { ProviderKind } from "@/api/types";
import { TextField } from "@/ui/TextField";

/** Chooses whose models are to be bought, or what serves them, from all kinds there are. */
export function KindPicker({
  kinds,
  onPick,
}: {
  kinds: readonly ProviderKind[];
  onPick: (kind: ProviderKind) => void;
}) {
  const { t } = useLingui();
  const [query, setQuery] = useState("");
  const words = query.trim().toLowerCase();
  const found = kinds.filter(({ name, title }) => `${title} ${name}`.toLowerCase().includes(words));
  const groups: [ProviderKind["group"], string][] = [
    ["vendor", t`Vendors`],
    ["server", t`Servers of your own, and anything else`],
    ["here", t`Started on this machine`],
  ];
  return (
    <div className="flex flex-col gap-4">
      <TextField
        label={t`Search`}
        placeholder={t`OpenAI, Qwen, Ollama…`}
        type="search"
        spellCheck={false}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => {
          const [only] = found;
          if (event.key === "Enter" && only && found.length === 1) {
            event.preventDefault();
            onPick(only);
          }
        }}
      />
      {groups.map(([group, title]) => {
        const members = found.filter((kind) => kind.group === group);
        if (members.length === 0) return null;
        return (
          <section key={group} aria-label={title}>
            <h3 className="text-sm text-muted">{title}</h3>
            <ul className="mt-1 grid gap-x-4 sm:grid-cols-2">
              {members.map((kind) => (
                <li key={kind.name}>
                  <button
                    type="button"
                    className="min-h-9 w-full rounded px-2 text-left hover:bg-hover"
                    onClick={() => onPick(kind)}
                  >
                    {kind.title}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        );
      })}
      {found.length === 0 ? (
        <p className="text-muted">
          <Trans>
            None is called that. Most others speak OpenAI’s protocol: choose “OpenAI-compatible API”.
          </Trans>
        </p>
      ) : null}
    </div>
  );
}
