import clsx from "clsx";
import { type ReactNode, useState } from "react";

import { CONTROL, Field } from "./Field";

export interface NumberFieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  value: number | null;
  /** null: the field is empty. */
  onChange: (value: number | null) => void;
  min?: number;
  max?: number;
  /** The smallest difference that makes sense; 1 by default, so whole numbers. */
  step?: number | "any";
  unit?: ReactNode;
  placeholder?: string;
  className?: string;
}

/** A number, or nothing. */
export function NumberField({
  label,
  hint,
  error,
  value,
  onChange,
  unit,
  className,
  ...rest
}: NumberFieldProps) {
  // What is typed may be half a number ("0."), which the number alone cannot keep.
  const [typed, setTyped] = useState({ text: value === null ? "" : String(value), value });
  const text = typed.value === value ? typed.text : value === null ? "" : String(value);
  return (
    <Field label={label} hint={hint} error={error} className={className}>
      {(ids) => (
        <span className="flex items-center gap-2">
          <input
            {...rest}
            {...ids}
            type="number"
            inputMode="decimal"
            className={clsx(CONTROL, "h-10 tabular-nums")}
            value={text}
            onChange={(event) => {
              const given = event.target.value;
              const next = given.trim() === "" ? null : Number(given);
              setTyped({ text: given, value: next });
              onChange(next);
            }}
          />
          {unit ? <span className="shrink-0 text-sm text-muted">{unit}</span> : null}
        </span>
      )}
    </Field>
  );
}
