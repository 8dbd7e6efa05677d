import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { Provider, ProviderKind } from "@/api/types";
import { Button } from "@/ui/Button";
import { Disclosure } from "@/ui/Disclosure";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { TextField } from "@/ui/TextField";

import { KeysField } from "./KeysField";
import { keyRows, keySettings } from "./keyRows";
import { useAddProvider, useChangeProvider, useTestProvider } from "./providers";
import { SettingField } from "./SettingField";
import { fromForm, type SettingSpec, settingSpecs, toForm } from "./settingsSchema";
import { TestResult } from "./TestResult";

const KEYS = ["api_key", "api_keys"];

export interface ProviderFormProps {
  kind: ProviderKind;
  /** The provider to change; absent: a new one. */
  provider?: Provider;
  onCancel: () => void;
  onDone: (provider: Provider) => void;
}

/** Adds or changes a provider. Its fields come from the kind's schema: a new kind needs no new form. */
export function ProviderForm({ kind, provider, onCancel, onDone }: ProviderFormProps) {
  const { t } = useLingui();
  const all = settingSpecs(kind.settings_schema);
  const keyed = KEYS.every((name) => all.some((spec) => spec.name === name));
  const specs = keyed ? all.filter(({ name }) => !KEYS.includes(name)) : all;
  const [name, setName] = useState(provider?.name ?? kind.title);
  const [keys, setKeys] = useState(() => keyRows(provider?.keys ?? 0));
  const [form, setForm] = useState(() => toForm(specs, provider?.settings ?? {}));
  const [asked, setAsked] = useState("");
  const add = useAddProvider();
  const change = useChangeProvider();
  const test = useTestProvider();
  const { error, isPending } = provider ? change : add;
  const field = error instanceof ApiError ? error.field : null;
  const isOf = (name: string) => field === `settings.${name}` || field?.startsWith(`settings.${name}[`);
  const shownByField = field === "name" || all.some((spec) => isOf(spec.name));

  const settings = () => ({ ...fromForm(specs, form), ...(keyed ? keySettings(keys) : {}) });
  const save = (event: SubmitEvent) => {
    event.preventDefault();
    if (provider) change.mutate({ id: provider.id, name, settings: settings() }, { onSuccess: onDone });
    else add.mutate({ kind: kind.name, name, settings: settings() }, { onSuccess: onDone });
  };
  /** What was wrong with a value is not said of the next one. */
  const untell = () => {
    add.reset();
    change.reset();
  };
  const attempt = () =>
    test.mutate({
      id: provider?.id ?? null,
      kind: kind.name,
      settings: settings(),
      model: asked.trim() || null,
    });
  const draw = (spec: SettingSpec) => (
    <SettingField
      key={spec.name}
      spec={spec}
      value={form[spec.name] ?? spec.initial}
      isSet={provider?.secrets.includes(spec.name) ?? false}
      error={isOf(spec.name) ? explain(error) : undefined}
      onChange={(value) => {
        setForm({ ...form, [spec.name]: value });
        untell();
      }}
    />
  );
  const rest = specs.filter(({ optional }) => optional);
  return (
    <form onSubmit={save} className="flex flex-col gap-5" noValidate>
      {kind.docs ? (
        <p className="-mt-2 text-sm">
          <a
            href={kind.docs}
            target="_blank"
            rel="noreferrer"
            className="text-ember underline underline-offset-3"
          >
            <Trans>How {kind.title} describes it</Trans>
          </a>
        </p>
      ) : null}
      <TextField
        label={t`Name`}
        hint={t`How it is called here, such as the vendor’s name.`}
        error={field === "name" ? explain(error) : undefined}
        required
        maxLength={80}
        value={name}
        onChange={(event) => {
          setName(event.target.value);
          untell();
        }}
      />
      {keyed ? (
        <KeysField
          rows={keys}
          keysPage={kind.keys_page}
          error={KEYS.some(isOf) ? explain(error) : undefined}
          test={test.data}
          onChange={(rows) => {
            setKeys(rows);
            untell();
            test.reset();
          }}
        />
      ) : null}
      {specs.filter(({ optional }) => !optional).map(draw)}
      {rest.length > 0 ? (
        <Disclosure title={<Trans>More settings</Trans>} open={rest.some(({ name }) => isOf(name))}>
          {rest.map(draw)}
        </Disclosure>
      ) : null}
      <div className="flex flex-col gap-3 border-t border-line pt-4">
        <div className="flex flex-wrap items-end gap-2">
          <TextField
            className="min-w-40 flex-1"
            label={t`Model to ask for one token, if you like`}
            spellCheck={false}
            value={asked}
            onChange={(event) => setAsked(event.target.value)}
          />
          <Button busy={test.isPending} onClick={attempt}>
            <Trans>Test</Trans>
          </Button>
        </div>
        {test.error ? <Notice look="error">{explain(test.error)}</Notice> : null}
        {test.data ? <TestResult test={test.data} /> : null}
      </div>
      {error && !shownByField ? <Notice look="error">{explain(error)}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onCancel}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={isPending} disabled={!name.trim() || isPending}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </form>
  );
}
