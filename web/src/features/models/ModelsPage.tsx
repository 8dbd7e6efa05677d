import { msg } from "@lingui/core/macro";
import { useLingui } from "@lingui/react/macro";

import { useIsAdmin } from "@/features/accounts/session";
import { type PageSection, SectionedPage } from "@/shell/SectionedPage";

import { ModelsSection } from "./ModelsSection";
import { ProvidersSection } from "./ProvidersSection";

const MODELS: PageSection = { id: "all", name: msg`All models`, body: ModelsSection };
const PROVIDERS: PageSection = { id: "providers", name: msg`Providers`, body: ProvidersSection };

/** `/models/…`: what can be asked; for administrators also where it comes from. */
export function ModelsPage() {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  return (
    <SectionedPage
      title={t`Models`}
      to="/models/$section"
      sections={isAdmin ? [MODELS, PROVIDERS] : [MODELS]}
    />
  );
}
