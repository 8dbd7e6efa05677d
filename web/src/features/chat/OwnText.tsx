import { Trans } from "@lingui/react/macro";
import { useState } from "react";

import { number } from "@/i18n/format";
import { Button } from "@/ui/Button";

/** Longer texts, such as a log that was pasted, begin folded: reading past them should not take a minute. */
const FOLDED_FROM = 3_000;
const SHOWN = 1_500;

/** What one wrote, as one wrote it. */
export function OwnText({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  if (text.length < FOLDED_FROM) return text;
  return (
    <>
      {open ? text : `${text.slice(0, SHOWN).trimEnd()} …`}
      <Button
        small
        look="quiet"
        className="-ml-3 flex text-muted"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {open ? <Trans>Show less</Trans> : <Trans>Show all {number(text.length)} characters</Trans>}
      </Button>
    </>
  );
}
