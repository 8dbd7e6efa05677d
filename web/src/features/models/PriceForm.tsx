import { Trans, useLingui } from "@lingui/react/macro";

import type { ModelPrices } from "@/api/types";
import { Button } from "@/ui/Button";
import { Disclosure } from "@/ui/Disclosure";
import { NumberField } from "@/ui/NumberField";
import { SelectField } from "@/ui/SelectField";

const MICRO = 1_000_000;
const CURRENCIES = ["USD", "CNY", "EUR", "GBP", "JPY", "CHF", "KRW", "INR", "CAD", "AUD", "SGD", "HKD"];

type Amount =
  | "input"
  | "output"
  | "cached"
  | "cache_write"
  | "cache_write_1h"
  | "reasoning"
  | "audio_input"
  | "audio_output";
type Piece = "request" | "image" | "search" | "second" | "characters";

/** What one pays for a model here, by class of token; empty: as the class it is taken from. */
export function PriceForm({
  name,
  published,
  own,
  onChange,
}: {
  name: string;
  published: ModelPrices | null;
  own: ModelPrices | null;
  onChange: (own: ModelPrices | null) => void;
}) {
  const { t } = useLingui();
  if (!own) {
    return (
      <Button small className="self-start" onClick={() => onChange(begun(published))}>
        <Trans>Set an own price</Trans>
      </Button>
    );
  }
  const put = (patch: Partial<ModelPrices>) => onChange({ ...own, ...patch });
  const amount = (field: Amount | Piece, label: string, needed: boolean) => (
    <NumberField
      key={field}
      label={label}
      min={0}
      step="any"
      value={own[field] === null || own[field] === undefined ? null : own[field] / MICRO}
      onChange={(value) => put({ [field]: value === null ? (needed ? 0 : null) : Math.round(value * MICRO) })}
    />
  );
  return (
    <div role="group" aria-label={t`Own price of ${name}`} className="flex flex-col gap-3">
      <div className="grid gap-3 sm:grid-cols-3">
        <SelectField
          label={t`Currency`}
          value={own.currency ?? "USD"}
          onChange={(event) => put({ currency: event.target.value })}
        >
          {[...new Set([own.currency ?? "USD", ...CURRENCIES])].map((code) => (
            <option key={code}>{code}</option>
          ))}
        </SelectField>
        {amount("input", t`A million tokens in`, true)}
        {amount("output", t`A million tokens out`, true)}
      </div>
      <Disclosure title={<Trans>More classes</Trans>}>
        <div className="grid gap-3 sm:grid-cols-3">
          {amount("cached", t`In, from the cache`, false)}
          {amount("cache_write", t`In, written to the cache`, false)}
          {amount("cache_write_1h", t`In, written for an hour`, false)}
          {amount("reasoning", t`Out, thinking`, false)}
          {amount("audio_input", t`In, sound`, false)}
          {amount("audio_output", t`Out, sound`, false)}
          {amount("request", t`A request`, true)}
          {amount("image", t`An image`, true)}
          {amount("search", t`A search`, true)}
          {amount("second", t`A second of sound`, true)}
          {amount("characters", t`A million characters spoken`, true)}
        </div>
      </Disclosure>
      <Button small look="quiet" className="self-start" onClick={() => onChange(null)}>
        <Trans>Back to the vendor’s price</Trans>
      </Button>
    </div>
  );
}

/** An own price begins with the vendor's, without its day and page. */
function begun(published: ModelPrices | null): ModelPrices {
  return { input: 0, output: 0, currency: "USD", ...published, as_of: "", source: "" };
}
