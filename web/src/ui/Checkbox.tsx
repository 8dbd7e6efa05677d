import clsx from "clsx";
import { type ReactNode, useId } from "react";

export interface CheckboxProps {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  /** Of a group of which one is chosen; then it is a radio button. */
  group?: string;
  disabled?: boolean;
  className?: string;
}

/** Something that is or is not, or one of a few, with a line that says what it means. */
export function Checkbox({ label, hint, checked, onChange, group, disabled, className }: CheckboxProps) {
  const id = useId();
  return (
    <label className={clsx("flex min-h-8 gap-3", className)}>
      <input
        type={group ? "radio" : "checkbox"}
        name={group}
        className="mt-1 size-4 shrink-0 accent-ember"
        checked={checked}
        disabled={disabled}
        aria-labelledby={id}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span className="min-w-0">
        <span id={id}>{label}</span>
        {hint ? (
          <span id={`${id}-hint`} className="block text-sm text-muted">
            {hint}
          </span>
        ) : null}
      </span>
    </label>
  );
}
