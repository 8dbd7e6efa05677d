import { Trans } from "@lingui/react/macro";
import { type ComponentProps, lazy, Suspense, useState } from "react";

const WhyPopover = lazy(() => import("./WhyPopover").then(({ WhyPopover }) => ({ default: WhyPopover })));

/** Why this model answered, for those who ask; what says it is loaded when it is first wanted. */
export function Why({ reasons }: { reasons: readonly Record<string, unknown>[] }) {
  const [wanted, setWanted] = useState(false);
  if (!wanted) return <WhyButton aria-haspopup="dialog" onClick={() => setWanted(true)} />;
  return (
    <Suspense fallback={<WhyButton />}>
      <WhyPopover trigger={<WhyButton />} reasons={reasons} />
    </Suspense>
  );
}

function WhyButton(rest: ComponentProps<"button">) {
  return (
    <button type="button" {...rest} className="rounded-sm underline underline-offset-2 hover:text-ink">
      <Trans>Why this model?</Trans>
    </button>
  );
}
