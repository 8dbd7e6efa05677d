import { Trans } from "@lingui/react/macro";

import { Button } from "@/ui/Button";
import { CopyButton } from "@/ui/CopyButton";

/** A password that was made for somebody, shown once to be passed on. */
export function PasswordMade({
  name,
  password,
  onDone,
}: {
  name: string;
  password: string;
  onDone: () => void;
}) {
  return (
    <div className="flex flex-col gap-5">
      <p>
        <Trans>
          {name} can now sign in with this password. It is not shown again; pass it on, and ask that it be
          changed.
        </Trans>
      </p>
      <div className="flex items-center rounded border border-line bg-sunk py-1 pr-1 pl-3">
        <code className="min-w-0 flex-1 font-mono break-all">{password}</code>
        <CopyButton text={password} tip="end" />
      </div>
      <Button look="primary" className="self-end" onClick={onDone}>
        <Trans>Done</Trans>
      </Button>
    </div>
  );
}
