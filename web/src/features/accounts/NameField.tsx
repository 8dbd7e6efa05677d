import { useLingui } from "@lingui/react/macro";

import { TextField, type TextFieldProps } from "@/ui/TextField";

/** By what one signs in; browsers and password stores know it by its name. */
export function NameField({ onChange, ...rest }: NameFieldProps) {
  const { t } = useLingui();
  return (
    <TextField
      label={t`User name`}
      {...rest}
      name="username"
      autoComplete="username"
      autoCapitalize="off"
      spellCheck={false}
      autoFocus
      required
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

type NameFieldProps = Partial<Pick<TextFieldProps, "label" | "hint" | "error">> & {
  value: string;
  onChange: (name: string) => void;
};
