import { Trans } from "@lingui/react/macro";

import { useMe } from "@/features/accounts/session";
import { Logo } from "@/ui/Logo";

import { Examples } from "./Examples";
import { FirstSteps } from "./FirstSteps";

/** The page before the first question. */
export function Welcome({ onPrompt }: { onPrompt: (text: string) => void }) {
  const name = useMe().display_name;
  return (
    <div className="mx-auto flex min-h-full max-w-[42em] flex-col justify-center gap-8 px-4 py-8">
      <div className="flex flex-col gap-3">
        <Logo size={36} />
        <h1 className="text-xl font-semibold">
          <Trans>Good to see you, {name}. What is on your mind?</Trans>
        </h1>
      </div>
      <FirstSteps />
      <Examples onPrompt={onPrompt} />
    </div>
  );
}
