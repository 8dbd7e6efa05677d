import { useLingui } from "@lingui/react/macro";
import { SlidersHorizontal } from "lucide-react";
import { useState } from "react";

import { tokens } from "@/i18n/format";
import { IconButton } from "@/ui/IconButton";
import { TextField } from "@/ui/TextField";

import { Capabilities } from "./Capabilities";
import type { Choice } from "./choice";
import { priceInWords } from "./price";
import { PriceForm } from "./PriceForm";

/** One model that can be chosen: what it can do and costs; chosen, it may get another name and price. */
export function ChoiceRow({
  choice,
  error,
  onChange,
}: {
  choice: Choice;
  error: string | undefined;
  onChange: (choice: Choice) => void;
}) {
  const { t } = useLingui();
  const [open, setOpen] = useState(false);
  const { name, chosen, publicName, prices, ownPrices } = choice;
  const price = ownPrices ?? prices;
  const facts = [
    choice.contextLength ? t`${tokens(choice.contextLength)} context` : null,
    price ? priceInWords(price) : null,
    ownPrices ? t`own price` : null,
    chosen && publicName !== name ? t`called ${publicName} here` : null,
  ].filter(Boolean);
  return (
    <li className="py-1">
      <div className="flex items-center gap-2">
        <label className="flex min-h-10 min-w-0 flex-1 items-center gap-3 rounded px-2 hover:bg-hover">
          <input
            type="checkbox"
            className="size-4 shrink-0 accent-ember"
            aria-label={name}
            checked={chosen}
            onChange={(event) => onChange({ ...choice, chosen: event.target.checked })}
          />
          <span className="min-w-0 flex-1">
            <span className="block break-words">
              {name} <Capabilities names={choice.capabilities} />
            </span>
            <span className="flex flex-wrap gap-x-2 text-xs text-muted">
              {facts.map((fact) => (
                <span key={fact}>{fact}</span>
              ))}
            </span>
          </span>
        </label>
        {chosen ? (
          <IconButton
            tip="none"
            label={t`Name and price of ${name}`}
            icon={<SlidersHorizontal size={16} />}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          />
        ) : null}
      </div>
      {chosen && (open || error) ? (
        <div className="mt-1 mb-3 ml-9 flex flex-col gap-3 border-l border-line pl-4">
          <TextField
            label={t`Name people use`}
            error={error}
            maxLength={200}
            spellCheck={false}
            value={publicName}
            onChange={(event) => onChange({ ...choice, publicName: event.target.value })}
          />
          <PriceForm
            name={name}
            published={prices}
            own={ownPrices}
            onChange={(own) => onChange({ ...choice, ownPrices: own })}
          />
        </div>
      ) : null}
    </li>
  );
}
