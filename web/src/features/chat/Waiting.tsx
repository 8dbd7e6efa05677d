import { Trans } from "@lingui/react/macro";
import { useEffect, useState } from "react";

const LONG_MS = 4_000;

/** Before the first word: an ember that glows. Loading a model or a long prompt takes its time, so say so. */
export function Waiting({ model }: { model: string | null }) {
  const [long, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), LONG_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className="flex min-h-6 items-center gap-3 text-sm text-muted">
      <span aria-hidden className="breath size-2.5 rounded-full bg-ember" />
      {long ? (
        model ? (
          <Trans>{model} is reading. Its first answer and long conversations take a little longer.</Trans>
        ) : (
          <Trans>Waiting for the model.</Trans>
        )
      ) : null}
    </p>
  );
}
