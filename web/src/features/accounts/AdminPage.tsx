import { msg } from "@lingui/core/macro";
import { Trans, useLingui } from "@lingui/react/macro";

import { RunningSection } from "@/features/usage/RunningSection";
import { UsageSection } from "@/features/usage/UsageSection";
import { Page } from "@/shell/Page";
import { type PageSection, SectionedPage } from "@/shell/SectionedPage";

import { AllKeysSection } from "./AllKeysSection";
import { BudgetsSection } from "./BudgetsSection";
import { MailSection } from "./mail/MailSection";
import { PeopleSection } from "./PeopleSection";
import { ServerSection } from "./ServerSection";
import { useIsAdmin } from "./session";
import { TeamsSection } from "./TeamsSection";

const SECTIONS: readonly [PageSection, ...PageSection[]] = [
  { id: "people", name: msg`People`, body: PeopleSection },
  { id: "teams", name: msg`Teams`, body: TeamsSection },
  { id: "budgets", name: msg`Budgets`, body: BudgetsSection },
  { id: "keys", name: msg`API keys`, body: AllKeysSection },
  { id: "usage", name: msg`Usage`, body: UsageSection },
  { id: "running", name: msg`Running now`, body: RunningSection },
  { id: "mail", name: msg`E-mail`, body: MailSection },
  { id: "server", name: msg`Server`, body: ServerSection },
];

/** `/admin/…`: what an administrator answers for: people, money and the server. */
export function AdminPage() {
  const { t } = useLingui();
  if (!useIsAdmin()) {
    return (
      <Page title={t`Admin`}>
        <p className="text-muted">
          <Trans>Only administrators see this page.</Trans>
        </p>
      </Page>
    );
  }
  return <SectionedPage title={t`Admin`} to="/admin/$section" sections={SECTIONS} />;
}
