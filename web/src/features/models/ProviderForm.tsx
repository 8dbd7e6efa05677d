import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { Provider, ProviderKind } from "@/api/types";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { SelectField } from "@/ui/SelectField";
import { TextField } from "@/ui/TextField";

import { useAddProvider, useChangeProvider } from "./providers";
import { SettingField } from "./SettingField";
import { fromForm, type SettingSpec, settingSpecs, toForm } from "./settingsSchema";

export interface ProviderFormProps {
  kinds: readonly ProviderKind[];
  /** The provider to change; absent: a new one. */
  provider?: Provider;
  onDone: () => void;
}

/** Adds or changes a provider. Its fields come from the kind's schema: a new kind needs no new form. */
export function ProviderForm({ kinds, provider, onDone }: ProviderFormProps) {
  const { t } = useLingui();
  const [kindName, setKindName] = useState(
    provider?.kind ?? (kinds.length === 1 ? (kinds[0]?.name ?? "") : ""),
  );
  const kind = kinds.find(({ name }) => name === kindName);
  const specs = settingSpecs(kind?.settings_schema ?? {});
  const [name, setName] = useState(provider?.name ?? "");
  const [form, setForm] = useState(() => toForm(specs, provider?.settings ?? {}));
  const add = useAddProvider();
  const change = useChangeProvider();
  const { error, isPending } = provider ? change : add;
  const field = error instanceof ApiError ? error.field : null;
  const shownByField = field === "name" || specs.some((spec) => field === `settings.${spec.name}`);

  const pick = (chosen: string) => {
    const next = kinds.find((other) => other.name === chosen);
    setKindName(chosen);
    setForm(toForm(settingSpecs(next?.settings_schema ?? {}), {}));
    // One's own name stays; the title of a kind is a fair one to begin with.
    if (!name || name === kind?.title) setName(next?.title ?? "");
  };
  const save = (event: SubmitEvent) => {
    event.preventDefault();
    const settings = fromForm(specs, form);
    if (provider) change.mutate({ id: provider.id, name, settings }, { onSuccess: onDone });
    else add.mutate({ kind: kindName, name, settings }, { onSuccess: onDone });
  };
  const draw = (spec: SettingSpec) => (
    <SettingField
      key={`${kindName} ${spec.name}`}
      spec={spec}
      value={form[spec.name] ?? spec.initial}
      isSet={provider?.secrets.includes(spec.name) ?? false}
      error={field === `settings.${spec.name}` ? explain(error) : undefined}
      onChange={(value) => setForm({ ...form, [spec.name]: value })}
    />
  );
  return (
    <form onSubmit={save} className="flex flex-col gap-5">
      {kinds.length > 1 && !provider ? (
        <SelectField label={t`Kind`} value={kindName} required onChange={(event) => pick(event.target.value)}>
          {kind ? null : <option value="">{t`Choose one…`}</option>}
          {kinds.map((other) => (
            <option key={other.name} value={other.name}>
              {other.title}
            </option>
          ))}
        </SelectField>
      ) : null}
      {kind ? (
        <>
          <TextField
            label={t`Name`}
            hint={t`How it is called here, such as the vendor’s name.`}
            error={field === "name" ? explain(error) : undefined}
            required
            maxLength={80}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          {specs.filter(({ optional }) => !optional).map(draw)}
          {specs.some(({ optional }) => optional) ? (
            <details
              open={specs.some(({ name, optional }) => optional && field === `settings.${name}`) || undefined}
            >
              <summary className="min-h-8 text-sm text-muted hover:text-ink">
                <Trans>More settings</Trans>
              </summary>
              <div className="mt-3 flex flex-col gap-5">
                {specs.filter(({ optional }) => optional).map(draw)}
              </div>
            </details>
          ) : null}
        </>
      ) : null}
      {error && !shownByField ? <Notice look="error">{explain(error)}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={isPending} disabled={!kind || !name.trim()}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </form>
  );
}
