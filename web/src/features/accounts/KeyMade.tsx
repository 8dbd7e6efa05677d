import { Trans, useLingui } from "@lingui/react/macro";

import { under } from "@/api/base";
import { useDefaultModel } from "@/features/chat/defaults";
import { Button } from "@/ui/Button";
import { CopyButton } from "@/ui/CopyButton";

/** A new key, shown once, with what one needs to use it. */
export function KeyMade({ secret, onDone }: { secret: string; onDone: () => void }) {
  const { t } = useLingui();
  const model = useDefaultModel().data ?? "MODEL";
  const base = window.location.origin + under("v1");
  const curl = [
    `curl ${base}/chat/completions \\`,
    `  -H "Authorization: Bearer ${secret}" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  ].join("\n");
  const lines: [string, string][] = [
    [t`Your key`, secret],
    [t`Base URL for OpenAI clients`, base],
    [t`Try it in a terminal`, curl],
  ];
  return (
    <div className="flex flex-col gap-5">
      <p className="font-medium text-ember">
        <Trans>Copy the key now: it is not shown again.</Trans>
      </p>
      {lines.map(([name, value]) => (
        <div key={name}>
          <p className="text-sm font-medium">{name}</p>
          <div className="mt-1 flex items-start gap-1 rounded border border-line bg-sunk py-1 pr-1 pl-3">
            <pre className="min-w-0 flex-1 overflow-x-auto py-1.5 font-mono text-sm" tabIndex={0}>
              {value}
            </pre>
            <CopyButton text={value} tip="end" />
          </div>
        </div>
      ))}
      <Button look="primary" className="self-end" onClick={onDone}>
        <Trans>I have copied it</Trans>
      </Button>
    </div>
  );
}
