import type { MessageDescriptor } from "@lingui/core";
import { useLingui } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import clsx from "clsx";
import type { ComponentType } from "react";

import { Page } from "./Page";

export interface PageSection {
  /** The last part of its address. */
  id: string;
  name: MessageDescriptor;
  body: ComponentType;
}

/** A page of several sections, each with an address of its own; one alone needs no tabs. */
export function SectionedPage({
  title,
  to,
  sections,
}: {
  title: string;
  to: "/models/$section" | "/admin/$section" | "/settings/$section";
  sections: readonly [PageSection, ...PageSection[]];
}) {
  const { t, i18n } = useLingui();
  const { section } = useParams({ strict: false });
  const current = sections.find(({ id }) => id === section) ?? sections[0];
  const Body = current.body;
  return (
    <Page title={title}>
      {sections.length > 1 ? (
        <nav
          aria-label={t`Sections`}
          className="-mx-4 mb-8 flex gap-1 overflow-x-auto border-b border-line px-4 sm:mx-0 sm:px-0"
        >
          {sections.map(({ id, name }) => (
            <Link
              key={id}
              to={to}
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
      ) : null}
      <Body />
    </Page>
  );
}
