import { useLingui } from "@lingui/react/macro";

import { SelectField } from "@/ui/SelectField";
import { TextArea } from "@/ui/TextArea";
import { TextField } from "@/ui/TextField";

import type { SettingSpec } from "./settingsSchema";

export interface SettingFieldProps {
  spec: SettingSpec;
  value: string | boolean;
  /** Whether a secret is stored already. */
  isSet: boolean;
  error?: string | undefined;
  onChange: (value: string | boolean) => void;
}

/** One setting of a provider, drawn by its type. A secret can be written, never read. */
export function SettingField({ spec, value, isSet, error, onChange }: SettingFieldProps) {
  const { t } = useLingui();
  if (spec.type === "boolean") {
    return (
      <label className="flex min-h-9 items-center gap-3">
        <input
          type="checkbox"
          className="size-4 accent-ember"
          checked={value === true}
          onChange={(event) => onChange(event.target.checked)}
        />
        <span>
          {spec.title}
          {spec.description ? <span className="block text-sm text-muted">{spec.description}</span> : null}
        </span>
      </label>
    );
  }
  const shared = { label: spec.title, hint: spec.description || undefined, error, value: String(value) };
  if (spec.type === "choice") {
    return (
      <SelectField {...shared} onChange={(event) => onChange(event.target.value)}>
        {spec.choices.map((choice) => (
          <option key={choice} value={choice}>
            {spec.titles?.[choice] ?? choice}
          </option>
        ))}
      </SelectField>
    );
  }
  if (spec.type === "map") {
    return (
      <TextArea
        {...shared}
        spellCheck={false}
        placeholder="X-Name: value"
        onChange={(event) => onChange(event.target.value)}
      />
    );
  }
  return (
    <>
      <TextField
        {...shared}
        type={spec.secret ? "password" : "text"}
        inputMode={spec.type === "number" ? "decimal" : undefined}
        required={spec.required && !isSet}
        placeholder={isSet ? t`Set. Leave empty to keep it.` : undefined}
        autoComplete={spec.secret ? "new-password" : "off"}
        spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
      />
      {spec.examples.length > 0 ? (
        <p className="-mt-3 flex flex-wrap gap-x-3 gap-y-1 text-sm">
          {spec.examples
            .filter((example) => example !== value)
            .map((example) => (
              <button
                key={example}
                type="button"
                className="min-h-7 text-left break-all text-ember hover:underline"
                onClick={() => onChange(example)}
              >
                {example}
              </button>
            ))}
        </p>
      ) : null}
    </>
  );
}
