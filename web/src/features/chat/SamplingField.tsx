import { useLingui } from "@lingui/react/macro";

import { number } from "@/i18n/format";
import { TextField } from "@/ui/TextField";

import type { SamplingFieldSpec } from "./sampling";

export interface SamplingFieldProps {
  field: SamplingFieldSpec;
  value: string;
  wrong: boolean;
  onChange: (value: string) => void;
}

/** One number of the sampling; empty means the model's own. */
export function SamplingField({ field, value, wrong, onChange }: SamplingFieldProps) {
  const { t, i18n } = useLingui();
  return (
    <TextField
      label={i18n._(field.label)}
      hint={i18n._(field.hint)}
      error={wrong ? t`A number from ${number(field.least, 2)} to ${number(field.most)}.` : undefined}
      inputMode="decimal"
      autoComplete="off"
      placeholder={t`The model’s own`}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
