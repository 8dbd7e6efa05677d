import { Popover } from "@base-ui/react/popover";
import { Trans, useLingui } from "@lingui/react/macro";
import { type ReactElement, type ReactNode, useState } from "react";

import { failedWhy, passedWhy, strategyTitle, takenWhy } from "@/features/routes/words";

type Reason = Readonly<Record<string, unknown>>;

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** What was decided on the way of a question, in the order it happened. */
export function WhyPopover({ trigger, reasons }: { trigger: ReactElement; reasons: readonly Reason[] }) {
  const { t } = useLingui();
  const [open, setOpen] = useState(true);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger render={trigger} />
      <Popover.Portal>
        <Popover.Positioner side="top" align="start" sideOffset={4} collisionPadding={8} className="z-30">
          <Popover.Popup
            aria-label={t`Why this model answered`}
            className="floating max-w-[min(26rem,calc(100vw-32px))] p-4 text-sm"
          >
            <ol className="flex flex-col gap-1">
              {reasons.map((reason, index) => (
                <li key={index}>{said(reason)}</li>
              ))}
            </ol>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function said({ step, why, model, route, strategy, code, for: cause }: Reason): ReactNode {
  const name = <span className="font-medium">{text(model)}</span>;
  if (step === "attempt") {
    return (
      <>
        {name}: {failedWhy(text(code))}
      </>
    );
  }
  switch (why) {
    case "route":
      return (
        <Trans>
          Through the route <span className="font-medium">{text(route)}</span>:{" "}
          {strategyTitle(text(strategy))}
        </Trans>
      );
    case "passed":
      return (
        <>
          {name}: {passedWhy(text(cause))}
        </>
      );
    case "taken":
      return (
        <Trans>
          {name} was asked: {takenWhy(text(cause))}
        </Trans>
      );
    default:
      return takenWhy(text(why));
  }
}
