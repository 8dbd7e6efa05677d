import { Trans } from "@lingui/react/macro";

import { Logo } from "@/ui/Logo";

export function ChatPage() {
  return (
    <div className="flex h-full flex-col items-center justify-center gap-4">
      <Logo size={48} />
      <h1 className="text-xl font-semibold">
        <Trans>What is on your mind?</Trans>
      </h1>
    </div>
  );
}
