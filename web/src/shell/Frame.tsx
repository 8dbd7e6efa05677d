import { Trans, useLingui } from "@lingui/react/macro";
import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense } from "react";

import { Button } from "@/ui/Button";
import { Drawer } from "@/ui/Drawer";

import { Sidebar } from "./Sidebar";
import { useShortcuts } from "./useShortcuts";
import { useWindows } from "./windows";

const Palette = lazy(() => import("./Palette").then(({ Palette }) => ({ default: Palette })));
const ShortcutSheet = lazy(() =>
  import("./ShortcutSheet").then(({ ShortcutSheet }) => ({ default: ShortcutSheet })),
);

/** Navigation at the side, the page beside it, and the windows that open from anywhere. */
export function Frame() {
  const { t } = useLingui();
  const { window, close } = useWindows();
  useShortcuts();
  return (
    <div className="flex h-full">
      <Button
        className="sr-only focus-visible:not-sr-only focus-visible:absolute focus-visible:top-2 focus-visible:left-2 focus-visible:z-20"
        onClick={() => document.getElementById("main")?.focus()}
      >
        <Trans>Skip navigation</Trans>
      </Button>
      <aside className="hidden w-64 shrink-0 border-r border-line md:flex md:flex-col">
        <Sidebar />
      </aside>
      <Drawer open={window === "sidebar"} onClose={close} label={t`Navigation`}>
        <Sidebar />
      </Drawer>
      <main id="main" tabIndex={-1} className="min-w-0 flex-1 outline-none">
        <Outlet />
      </main>
      <Suspense>
        {window === "palette" ? <Palette /> : null}
        {window === "shortcuts" ? <ShortcutSheet /> : null}
      </Suspense>
    </div>
  );
}
