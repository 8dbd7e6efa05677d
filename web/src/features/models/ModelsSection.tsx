import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";

import { useIsAdmin } from "@/features/accounts/session";
import { Section } from "@/shell/Section";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { AddModel } from "./AddModel";
import { BoughtModels } from "./BoughtModels";
import { LocalModel } from "./LocalModel";
import { MemoryUse } from "./MemoryUse";
import { PullList } from "./PullList";
import { useModels } from "./queries";

/** Models > All models: what can be asked, what it takes of this machine, and how to get more. */
export function ModelsSection() {
  const { t } = useLingui();
  const isAdmin = useIsAdmin();
  const models = useModels({ live: true });
  const local = (models.data ?? []).filter((model) => model.local);
  const bought = (models.data ?? []).filter((model) => !model.local);
  return (
    <>
      {models.isPending ? <Skeleton lines={6} /> : null}
      {models.isError && !models.data ? (
        <ErrorState error={models.error} retry={() => void models.refetch()} />
      ) : null}
      {models.data ? (
        <div className="flex flex-col gap-10">
          <MemoryUse />
          <Section title={t`On this machine`}>
            {local.length === 0 ? (
              <p className="text-muted">
                <Trans>There is no model here yet. Get one below; it stays on this machine.</Trans>
              </p>
            ) : (
              <ul className="divide-y divide-line border-y border-line">
                {local.map((model) => (
                  <LocalModel key={model.name} model={model} mayManage={isAdmin} />
                ))}
              </ul>
            )}
          </Section>
          {isAdmin ? <PullList /> : null}
          {isAdmin ? <AddModel /> : null}
          <Section title={t`Bought`}>
            {bought.length > 0 ? <BoughtModels models={bought} /> : null}
            {isAdmin ? (
              <p className="text-muted">
                {bought.length === 0 ? <Trans>Models of a vendor, paid by use, appear here.</Trans> : null}{" "}
                <Link
                  to="/models/$section"
                  params={{ section: "providers" }}
                  className="text-ember underline underline-offset-3"
                >
                  <Trans>Set up a provider</Trans>
                </Link>
              </p>
            ) : bought.length === 0 ? (
              <p className="text-muted">
                <Trans>An administrator has set up none.</Trans>
              </p>
            ) : null}
          </Section>
        </div>
      ) : null}
    </>
  );
}
