import { i18n } from "@lingui/core";

const NANO = 1_000_000_000;

/** An amount in billionths of a currency: cents where they say enough, more digits for what is small. */
export function money(amount: number, currency: string): string {
  const value = amount / NANO;
  const small = value !== 0 && Math.abs(value) < 1;
  return new Intl.NumberFormat(i18n.locale, {
    style: "currency",
    currency,
    maximumFractionDigits: small ? 4 : 2,
  }).format(value);
}
