import { Trans, useLingui } from "@lingui/react/macro";
import clsx from "clsx";
import { Check, Plus, X } from "lucide-react";

import type { ProviderTest } from "@/api/types";
import { duration } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { CONTROL } from "@/ui/Field";
import { IconButton } from "@/ui/IconButton";
import { moved } from "@/ui/places";
import { Sortable } from "@/ui/Sortable";

import { isFilled, type KeyRow, newKey } from "./keyRows";

/** The API keys of a provider, in order; how each did in the last test stands beside it. */
export function KeysField({
  rows,
  onChange,
  error,
  keysPage,
  test,
}: {
  rows: readonly KeyRow[];
  onChange: (rows: KeyRow[]) => void;
  error: string | undefined;
  keysPage: string;
  test: ProviderTest | undefined;
}) {
  const { t } = useLingui();
  const named = rows.map((row, index) => ({ ...row, name: t`Key ${index + 1}` }));
  const filled = rows.filter(isFilled);
  const put = (id: string, text: string) =>
    onChange(rows.map((row) => (row.id === id ? { ...row, text } : row)));
  return (
    <div role="group" aria-label={t`API keys`} className="flex flex-col gap-2">
      <p className="flex flex-wrap items-baseline gap-x-3 text-sm">
        <span className="font-medium">{t`API keys`}</span>
        {keysPage ? (
          <a
            href={keysPage}
            target="_blank"
            rel="noreferrer"
            className="text-ember underline underline-offset-3"
          >
            <Trans>Get one from the vendor</Trans>
          </a>
        ) : null}
      </p>
      <Sortable
        items={named}
        label={t`API keys in their order`}
        nameOf={({ name }) => name}
        onMove={(from, to) => onChange(moved(rows, from, to))}
      >
        {(row, handle) => {
          const result = test?.keys.find(
            ({ number }) => number === filled.findIndex(({ id }) => id === row.id) + 1,
          );
          return (
            <div className="flex items-start gap-2 py-2">
              {rows.length > 1 ? handle : null}
              <div className="min-w-0 flex-1">
                {row.kept === null ? (
                  <input
                    type="password"
                    aria-label={row.name}
                    aria-invalid={error ? true : undefined}
                    autoComplete="new-password"
                    spellCheck={false}
                    className={clsx(CONTROL, "h-10")}
                    value={row.text}
                    onChange={(event) => put(row.id, event.target.value)}
                  />
                ) : (
                  <p className="pt-1">
                    {row.name} <span className="text-sm text-muted">{t`kept, and never shown`}</span>
                  </p>
                )}
                {result ? (
                  <p className={clsx("flex items-center gap-1 text-sm", !result.ok && "text-danger")}>
                    {result.ok ? (
                      <>
                        <Check size={14} aria-hidden className="text-good" />
                        <Trans>works, {duration(result.latency_ms ?? 0)}</Trans>
                      </>
                    ) : (
                      <>
                        <X size={14} aria-hidden className="shrink-0" />
                        <span className="min-w-0 break-words">{result.problem?.message}</span>
                      </>
                    )}
                  </p>
                ) : null}
              </div>
              {rows.length > 1 || row.kept !== null ? (
                <IconButton
                  tip="none"
                  label={t`Remove ${row.name}`}
                  icon={<X size={16} />}
                  onClick={() => {
                    const rest = rows.filter(({ id }) => id !== row.id);
                    onChange(rest.length > 0 ? rest : [newKey()]);
                  }}
                />
              ) : null}
            </div>
          );
        }}
      </Sortable>
      {error ? (
        <p role="alert" className="text-sm text-danger">
          {error}
        </p>
      ) : null}
      <Button small look="quiet" className="self-start" onClick={() => onChange([...rows, newKey()])}>
        <Plus size={14} aria-hidden />
        <Trans>Another key; several share the load</Trans>
      </Button>
    </div>
  );
}
