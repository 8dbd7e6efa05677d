import { useLingui } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import clsx from "clsx";

import { Page } from "@/shell/Page";

import { useIsAdmin } from "./session";
import { sectionsFor } from "./sections";

/** `/settings/…`: one's own, and the administrator's. */
export function SettingsPage() {
  const { t, i18n } = useLingui();
  const sections = sectionsFor(useIsAdmin());
  const { section } = useParams({ strict: false });
  const current = sections.find(({ id }) => id === section) ?? sections[0];
  const Body = current.body;
  return (
    <Page title={t`Settings`}>
      <nav
        aria-label={t`Sections`}
        className="-mx-4 mb-8 flex gap-1 overflow-x-auto border-b border-line px-4 sm:mx-0 sm:px-0"
      >
        {sections.map(({ id, name }) => (
          <Link
            key={id}
            to="/settings/$section"
            params={{ section: id }}
            aria-current={id === current.id ? "page" : undefined}
            className={clsx(
              "-mb-px flex min-h-10 items-center border-b-2 px-3 text-sm whitespace-nowrap first:pl-0",
              id === current.id
                ? "border-ember font-semibold"
                : "border-transparent text-muted hover:text-ink",
            )}
          >
            {i18n._(name)}
          </Link>
        ))}
      </nav>
      <Body />
    </Page>
  );
}
