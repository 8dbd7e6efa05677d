import { msg } from "@lingui/core/macro";
import { useLingui } from "@lingui/react/macro";

import { RunningSection } from "@/features/usage/RunningSection";
import { UsageSection } from "@/features/usage/UsageSection";
import { type PageSection, SectionedPage } from "@/shell/SectionedPage";

import { KeysSection } from "./KeysSection";
import { LimitsSection } from "./LimitsSection";
import { ProfileSection } from "./ProfileSection";
import { useIsAdmin } from "./session";

const PROFILE: PageSection = { id: "profile", name: msg`Profile`, body: ProfileSection };
const KEYS: PageSection = { id: "keys", name: msg`API keys`, body: KeysSection };
const LIMITS: PageSection = { id: "limits", name: msg`Limits`, body: LimitsSection };
const USAGE: PageSection = { id: "usage", name: msg`Usage`, body: UsageSection };
const RUNNING: PageSection = { id: "running", name: msg`Running now`, body: RunningSection };

/** `/settings/…`: what is one's own. An administrator sees one's usage among everybody's. */
export function SettingsPage() {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  return (
    <SectionedPage
      title={t`Settings`}
      to="/settings/$section"
      sections={isAdmin ? [PROFILE, KEYS, LIMITS] : [PROFILE, KEYS, LIMITS, USAGE, RUNNING]}
    />
  );
}
