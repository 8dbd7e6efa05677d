import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { isLanguage, LANGUAGES, preferredLanguage, switchLanguage } from "@/i18n";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { SelectField } from "@/ui/SelectField";
import { TextField } from "@/ui/TextField";
import { type Theme, THEMES } from "@/ui/theme";
import { toast, toastError } from "@/ui/toasts";

import { EmailForm } from "./mail/EmailForm";
import { PasswordForm } from "./PasswordForm";
import { useChosenTheme } from "./profile";
import { useChangeMe, useMe } from "./session";

/** Settings > Profile: name, language, theme, password. */
export function ProfileSection() {
  const { t } = useLingui();
  const me = useMe();
  const change = useChangeMe();
  const { theme, choose } = useChosenTheme();
  const [name, setName] = useState(me.display_name);
  const names: Record<Theme, string> = { system: t`As the system`, light: t`Light`, dark: t`Dark` };

  const rename = (event: SubmitEvent) => {
    event.preventDefault();
    change.mutate({ display_name: name.trim() }, { onSuccess: () => toast(t`Saved`) });
  };
  const pickLanguage = (value: string) => {
    const language = isLanguage(value) ? value : null;
    change.mutate({ language }, { onError: toastError });
    switchLanguage(language ?? preferredLanguage(), true).catch(toastError);
  };
  return (
    <div className="flex max-w-96 flex-col gap-10">
      <Section title={t`Profile`}>
        <form onSubmit={rename} className="flex flex-col gap-4">
          <TextField
            label={t`Name shown here`}
            hint={t`You sign in as ${me.name}.`}
            error={change.isError ? explain(change.error) : undefined}
            maxLength={120}
            required
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button
            type="submit"
            className="self-start"
            busy={change.isPending}
            disabled={!name.trim() || name.trim() === me.display_name}
          >
            <Trans>Save</Trans>
          </Button>
        </form>
        <SelectField
          className="mt-2"
          label={t`Language`}
          value={isLanguage(me.language) ? me.language : ""}
          onChange={(event) => pickLanguage(event.target.value)}
        >
          <option value="">{t`As the browser`}</option>
          {Object.entries(LANGUAGES).map(([language, own]) => (
            <option key={language} value={language} lang={language}>
              {own}
            </option>
          ))}
        </SelectField>
        <SelectField
          className="mt-2"
          label={t`Theme`}
          value={theme}
          onChange={(event) => choose(THEMES.find((other) => other === event.target.value) ?? "system")}
        >
          {THEMES.map((value) => (
            <option key={value} value={value}>
              {names[value]}
            </option>
          ))}
        </SelectField>
      </Section>
      <EmailForm />
      <PasswordForm />
    </div>
  );
}
