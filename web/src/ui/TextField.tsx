import clsx from "clsx";
import type { ComponentProps, ReactNode } from "react";

import { CONTROL, Field } from "./Field";

export interface TextFieldProps extends ComponentProps<"input"> {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
}

/** A one-line input. */
export function TextField({ label, hint, error, className, ...rest }: TextFieldProps) {
  return (
    <Field label={label} hint={hint} error={error} className={className}>
      {(ids) => <input {...rest} {...ids} className={clsx(CONTROL, "h-10")} />}
    </Field>
  );
}
