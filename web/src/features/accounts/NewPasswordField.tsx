import { useLingui } from "@lingui/react/macro";

import { TextField, type TextFieldProps } from "@/ui/TextField";

import { PASSWORD_LENGTH } from "./session";

/** Where one chooses a password. */
export function NewPasswordField({ onChange, ...rest }: NewPasswordFieldProps) {
  const { t } = useLingui();
  return (
    <TextField
      label={t`Password`}
      {...rest}
      hint={t`At least ${PASSWORD_LENGTH} characters.`}
      minLength={PASSWORD_LENGTH}
      name="new-password"
      type="password"
      autoComplete="new-password"
      required
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

type NewPasswordFieldProps = Partial<Pick<TextFieldProps, "label" | "error" | "autoFocus">> & {
  value: string;
  onChange: (password: string) => void;
};
