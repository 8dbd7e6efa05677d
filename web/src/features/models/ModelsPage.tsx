import { msg } from "@lingui/core/macro";
import { useLingui } from "@lingui/react/macro";

import { useIsAdmin } from "@/features/accounts/session";
import { RoutesSection } from "@/features/routes/RoutesSection";
import { type PageSection, SectionedPage } from "@/shell/SectionedPage";

import { ModelsSection } from "./ModelsSection";
import { ProvidersSection } from "./ProvidersSection";

const MODELS: PageSection = { id: "all", name: msg`All models`, body: ModelsSection };
const ROUTES: PageSection = { id: "routes", name: msg`Routes`, body: RoutesSection };
const PROVIDERS: PageSection = { id: "providers", name: msg`Providers`, body: ProvidersSection };

/** `/models/…`: what can be asked; for administrators also by which names, and where it comes from. */
export function ModelsPage() {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  return (
    <SectionedPage
      title={t`Models`}
      to="/models/$section"
      sections={isAdmin ? [MODELS, ROUTES, PROVIDERS] : [MODELS]}
    />
  );
}
