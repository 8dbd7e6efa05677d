import { Trans } from "@lingui/react/macro";
import type { ReactNode } from "react";

import { Button } from "@/ui/Button";
import { CopyButton } from "@/ui/CopyButton";

import { addressOf } from "./links";

/** A link that is as good as a password, shown once to be handed on; `children` say what it is for. */
export function LinkMade({
  made,
  onDone,
  children,
}: {
  made: { link: string | null; path: string };
  onDone: () => void;
  children: ReactNode;
}) {
  const address = addressOf(made);
  return (
    <div className="flex flex-col gap-5">
      <p>{children}</p>
      <div className="flex items-center rounded border border-line bg-sunk py-1 pr-1 pl-3">
        <code className="min-w-0 flex-1 font-mono text-sm break-all">{address}</code>
        <CopyButton text={address} tip="end" />
      </div>
      <Button look="primary" className="self-end" onClick={onDone}>
        <Trans>Done</Trans>
      </Button>
    </div>
  );
}
