import type { ReactNode } from "react";

import { MenuButton } from "./MenuButton";
import { useTitle } from "./useTitle";

/** A page of reading width with its heading; the chat draws its own. */
export function Page({ title, intro, children }: { title: string; intro?: ReactNode; children: ReactNode }) {
  useTitle(title);
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto w-full max-w-3xl px-4 pt-3 pb-24 sm:px-8 sm:pt-10">
        <div className="flex items-center gap-2">
          <MenuButton />
          <h1 className="text-xl font-semibold">{title}</h1>
        </div>
        {intro ? <p className="mt-2 max-w-measure text-muted">{intro}</p> : null}
        <div className="mt-6 sm:mt-8">{children}</div>
      </div>
    </div>
  );
}
