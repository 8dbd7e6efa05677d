import type { ReactNode } from "react";

import { useTitle } from "@/shell/useTitle";
import { Logo } from "@/ui/Logo";

import { LanguageChoice } from "./LanguageChoice";

/** The page of somebody who is not in yet: signing in, setting up. */
export function Entrance({
  title,
  intro,
  children,
}: {
  title: string;
  intro?: ReactNode;
  children: ReactNode;
}) {
  useTitle(title);
  return (
    <main className="flex h-full flex-col overflow-y-auto">
      <div className="m-auto w-full max-w-96 px-6 py-10">
        <Logo size={36} />
        <h1 className="mt-4 text-xl font-semibold">{title}</h1>
        {intro ? <div className="mt-2 text-muted">{intro}</div> : null}
        <div className="mt-6">{children}</div>
        <div className="mt-10 border-t border-line pt-4">
          <LanguageChoice />
        </div>
      </div>
    </main>
  );
}
