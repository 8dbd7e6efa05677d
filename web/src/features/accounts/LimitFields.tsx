import { useLingui } from "@lingui/react/macro";

import { compact, number } from "@/i18n/format";
import { TextField } from "@/ui/TextField";

import { isAmount, type LimitName, LIMITS, type LimitsForm, readNumber } from "./limitsForm";

export interface LimitFieldsProps {
  form: LimitsForm;
  wrong: ReadonlySet<LimitName>;
  currency: string;
  /** What the server said of one of them. */
  refused?: { name: string; why: string } | null;
  onChange: (form: LimitsForm) => void;
}

/** How much somebody may use; an empty field is without limit. */
export function LimitFields({ form, wrong, currency, refused, onChange }: LimitFieldsProps) {
  const { t } = useLingui();
  const labels: Record<LimitName, string> = {
    amount_per_day: t`Money a day (${currency})`,
    amount_per_month: t`Money a month (${currency})`,
    requests_per_minute: t`Requests a minute`,
    tokens_per_minute: t`Tokens a minute`,
    concurrent_requests: t`Requests at once`,
  };
  const error = (name: LimitName) => {
    if (wrong.has(name))
      return isAmount(name) ? t`An amount, such as 12.50.` : t`A whole number, such as 100k.`;
    return refused?.name === name ? refused.why : undefined;
  };
  /** A short way of writing, spelled out. */
  const read = (name: LimitName) => {
    const value = readNumber(form[name]);
    if (value === null || /^[\d.]*$/.test(form[name].trim())) return undefined;
    return value >= 1e6 ? `${number(value)} (${compact(value)})` : number(value);
  };
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {LIMITS.map((name) => (
        <TextField
          key={name}
          label={labels[name]}
          error={error(name)}
          hint={read(name)}
          placeholder={t`no limit`}
          inputMode={isAmount(name) ? "decimal" : "text"}
          autoComplete="off"
          value={form[name]}
          onChange={({ target }) => onChange({ ...form, [name]: target.value })}
        />
      ))}
    </div>
  );
}
