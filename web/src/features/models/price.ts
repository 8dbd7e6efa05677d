import { i18n } from "@lingui/core";
import { t } from "@lingui/core/macro";

import type { ModelPrices } from "@/api/types";

const MICRO = 1_000_000;

function amount(value: number, currency: string): string {
  return new Intl.NumberFormat(i18n.locale, {
    style: "currency",
    currency,
    minimumFractionDigits: 0,
    maximumFractionDigits: 3,
  }).format(value / MICRO);
}

/** What a million tokens cost, in and out: "$3 in, $15 out". */
export function priceInWords({ input = 0, output = 0, currency = "USD" }: ModelPrices): string {
  if (output === 0) return t`${amount(input, currency)} a million tokens`;
  return t`${amount(input, currency)} in, ${amount(output, currency)} out`;
}
