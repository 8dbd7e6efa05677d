import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { under } from "@/api/base";
import type { Limits, NewKey } from "@/api/types";
import { useDefaultModel } from "@/features/chat/defaults";
import { date, listing } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { CopyButton } from "@/ui/CopyButton";
import { SelectField } from "@/ui/SelectField";

import { type Snippet, snippets } from "./snippets";
import { useLimitsInWords } from "./useLimitsInWords";

/** A new key, shown once, with what one needs to use it or to hand it on. */
export function KeyMade({
  made,
  limits,
  onDone,
}: {
  made: NewKey;
  limits: Limits | null;
  onDone: () => void;
}) {
  const { t } = useLingui();
  const standard = useDefaultModel().data;
  const inWords = useLimitsInWords();
  const [shown, setShown] = useState<Snippet["id"]>("env");
  const origin = (window.location.origin + under("")).replace(/\/$/, "");
  const model = made.models?.[0] ?? standard ?? "MODEL";
  const names: Record<Snippet["id"], string> = {
    env: t`Environment variables`,
    openai: t`OpenAI (Python)`,
    anthropic: t`Anthropic (Python)`,
    ollama: t`Ollama (Python)`,
    curl: t`curl`,
  };
  const ready = snippets(origin, made.key, model);
  const note = [
    t`API key: ${made.key}`,
    t`Base URL (OpenAI): ${origin}/v1`,
    t`Base URL (Anthropic, Ollama): ${origin}`,
    made.models ? t`Models: ${listing(made.models)}` : null,
    limits ? t`Limits: ${inWords(limits)}` : null,
    made.expires_at ? t`Valid until ${date(made.expires_at)}` : null,
  ];
  return (
    <div className="flex flex-col gap-5">
      <p className="font-medium text-ember">
        <Trans>Copy the key now: it is not shown again.</Trans>
      </p>
      <Shown name={t`Your key`} value={made.key} />
      <Shown name={t`Base URL for OpenAI clients`} value={`${origin}/v1`} />
      <div className="flex flex-col gap-2">
        <SelectField
          label={t`Ready to paste`}
          value={shown}
          onChange={(event) => setShown(event.target.value as Snippet["id"])}
        >
          {ready.map(({ id }) => (
            <option key={id} value={id}>
              {names[id]}
            </option>
          ))}
        </SelectField>
        <Code text={ready.find(({ id }) => id === shown)?.text ?? ""} />
      </div>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <span className="flex items-center gap-1 text-sm text-muted">
          <CopyButton
            text={note.filter((line) => line !== null).join("\n")}
            label={t`Copy everything`}
            tip="start"
          />
          <Trans>Copy all of it as a note, to hand it on</Trans>
        </span>
        <Button look="primary" className="ml-auto" onClick={onDone}>
          <Trans>I have copied it</Trans>
        </Button>
      </div>
    </div>
  );
}

function Shown({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <p className="mb-1 text-sm font-medium">{name}</p>
      <Code text={value} />
    </div>
  );
}

function Code({ text }: { text: string }) {
  return (
    <div className="flex items-start gap-1 rounded border border-line bg-sunk py-1 pr-1 pl-3">
      <pre className="min-w-0 flex-1 overflow-x-auto py-1.5 font-mono text-sm" tabIndex={0}>
        {text}
      </pre>
      <CopyButton text={text} tip="end" />
    </div>
  );
}
