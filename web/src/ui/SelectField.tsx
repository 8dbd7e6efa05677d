import clsx from "clsx";
import type { ComponentProps, ReactNode } from "react";

import { CONTROL, Field } from "./Field";

export interface SelectFieldProps extends ComponentProps<"select"> {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
}

/** A choice of a few: the browser's own list, which phones and screen readers know best. */
export function SelectField({ label, hint, error, className, ...rest }: SelectFieldProps) {
  return (
    <Field label={label} hint={hint} error={error} className={className}>
      {(ids) => <select {...rest} {...ids} className={clsx(CONTROL, "h-10")} />}
    </Field>
  );
}
