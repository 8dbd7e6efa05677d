import clsx from "clsx";
import type { ComponentProps, ReactNode } from "react";

import { CONTROL, Field } from "./Field";

export interface TextAreaProps extends ComponentProps<"textarea"> {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
}

/** An input of several lines that grows with its text. */
export function TextArea({ label, hint, error, className, ...rest }: TextAreaProps) {
  return (
    <Field label={label} hint={hint} error={error} className={className}>
      {(ids) => (
        <textarea
          {...rest}
          {...ids}
          className={clsx(CONTROL, "field-sizing-content max-h-80 min-h-24 resize-y py-2")}
        />
      )}
    </Field>
  );
}
