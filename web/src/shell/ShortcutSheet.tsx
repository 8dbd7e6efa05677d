import { Trans, useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";

import { Dialog } from "@/ui/Dialog";
import { Kbd } from "@/ui/Kbd";

import { useWindows } from "./windows";

const COMMAND = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";

/** The `?` sheet: every key the page knows. */
export function ShortcutSheet() {
  const { t } = useLingui();
  const close = useWindows((state) => state.close);
  const rows: [ReactNode, string[]][] = [
    [<Trans key="1">Search and go to</Trans>, [COMMAND, "K"]],
    [<Trans key="2">New chat</Trans>, [COMMAND, "Shift", "O"]],
    [<Trans key="3">Write a message</Trans>, ["/"]],
    [<Trans key="4">Send</Trans>, ["Enter"]],
    [<Trans key="5">New line</Trans>, ["Shift", "Enter"]],
    [<Trans key="6">Stop the answer</Trans>, ["Esc"]],
    [<Trans key="7">Edit your last message (in an empty input)</Trans>, ["↑"]],
    [<Trans key="8">This sheet</Trans>, ["?"]],
  ];
  return (
    <Dialog open onClose={close} title={t`Keyboard shortcuts`}>
      <dl className="flex flex-col">
        {rows.map(([name, keys], index) => (
          <div key={index} className="flex items-center gap-4 border-t border-line py-2 first:border-0">
            <dt className="flex-1">{name}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
