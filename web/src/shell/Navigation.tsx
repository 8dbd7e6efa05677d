import { useLingui } from "@lingui/react/macro";
import { Link, useLocation } from "@tanstack/react-router";
import clsx from "clsx";

import { usePages } from "./pages";
import { useWindows } from "./windows";

export function Navigation() {
  const { t, i18n } = useLingui();
  const path = useLocation({ select: ({ pathname }) => pathname });
  const pages = usePages();
  const close = useWindows((state) => state.close);
  return (
    <nav aria-label={t`Pages`} className="flex flex-col gap-0.5 border-b border-line px-2 pb-3">
      {pages.map(({ to, name, icon: Icon, holds }) => {
        const active = holds(path);
        return (
          <Link
            key={to}
            to={to}
            onClick={close}
            aria-current={active ? "page" : undefined}
            className={clsx(
              "flex min-h-9 items-center gap-3 rounded px-2 text-sm transition-colors hover:bg-hover",
              active ? "font-semibold text-ink" : "text-muted hover:text-ink",
            )}
          >
            <Icon size={18} aria-hidden className={clsx(active && "text-ember")} />
            {i18n._(name)}
          </Link>
        );
      })}
    </nav>
  );
}
