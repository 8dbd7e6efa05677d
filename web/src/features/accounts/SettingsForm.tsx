import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { ServerSettings } from "@/api/types";
import { SettingField } from "@/features/models/SettingField";
import { fromForm, settingSpecs, toForm } from "@/features/models/settingsSchema";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { toast } from "@/ui/toasts";

import { useChangeServerSettings } from "./serverSettings";

/** One section of the server's settings. */
export function SettingsForm({ section }: { section: ServerSettings }) {
  const { t } = useLingui();
  const specs = settingSpecs(section.settings_schema);
  const [form, setForm] = useState(() => toForm(specs, section.settings));
  const change = useChangeServerSettings();
  const field = change.error instanceof ApiError ? change.error.field : null;
  const shownByField = specs.some(({ name }) => field === `settings.${name}`);

  const save = (event: SubmitEvent) => {
    event.preventDefault();
    // What no form can show stays as it is.
    const shown = new Set(specs.map(({ name }) => name));
    const kept = Object.fromEntries(Object.entries(section.settings).filter(([name]) => !shown.has(name)));
    change.mutate(
      { section: section.section, settings: { ...kept, ...fromForm(specs, form) } },
      { onSuccess: () => toast(t`Saved.`) },
    );
  };
  return (
    <Section title={section.title}>
      <form onSubmit={save} className="flex max-w-measure flex-col gap-5">
        {specs.map((spec) => (
          <SettingField
            key={spec.name}
            spec={spec}
            value={form[spec.name] ?? spec.initial}
            isSet={section.secrets.includes(spec.name)}
            error={field === `settings.${spec.name}` ? explain(change.error) : undefined}
            onChange={(value) => setForm({ ...form, [spec.name]: value })}
          />
        ))}
        {change.error && !shownByField ? <Notice look="error">{explain(change.error)}</Notice> : null}
        <Button look="primary" type="submit" className="self-start" busy={change.isPending}>
          <Trans>Save</Trans>
        </Button>
      </form>
    </Section>
  );
}
