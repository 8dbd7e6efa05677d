import clsx from "clsx";
import { type ReactNode, useState } from "react";

import { CONTROL, Field } from "./Field";

/** Words that are between commas, English or Chinese ones. */
export function wordsOf(text: string): string[] {
  return [...new Set(text.split(/[,，、\n]/).map((word) => word.trim()))].filter(Boolean);
}

export interface WordsFieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  value: readonly string[];
  onChange: (value: string[]) => void;
  placeholder?: string;
}

/** A few words, with commas between them. */
export function WordsField({ label, hint, error, value, onChange, placeholder }: WordsFieldProps) {
  const [typed, setTyped] = useState(value.join(", "));
  const text = wordsOf(typed).join() === value.join() ? typed : value.join(", ");
  return (
    <Field label={label} hint={hint} error={error}>
      {(ids) => (
        <input
          {...ids}
          className={clsx(CONTROL, "h-10")}
          spellCheck={false}
          autoCapitalize="off"
          placeholder={placeholder}
          value={text}
          onChange={(event) => {
            setTyped(event.target.value);
            onChange(wordsOf(event.target.value));
          }}
        />
      )}
    </Field>
  );
}
