import { Trans, useLingui } from "@lingui/react/macro";
import { Plus } from "lucide-react";
import { useState } from "react";

import type { ProviderKind } from "@/api/types";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { ChooseModels } from "./ChooseModels";
import { KindPicker } from "./KindPicker";
import { ProviderForm } from "./ProviderForm";
import { ProviderRow } from "./ProviderRow";
import { useProviderKinds, useProviders } from "./providers";

/** Models > Providers: whose models can be bought, and with which key. */
export function ProvidersSection() {
  const { t, i18n } = useLingui();
  const providers = useProviders();
  const kinds = useProviderKinds(i18n.locale);
  const [adding, setAdding] = useState(false);
  const [picked, setPicked] = useState<ProviderKind | null>(null);
  const [added, setAdded] = useState<string | null>(null);
  const fresh = providers.data?.find(({ id }) => id === added);
  const close = () => {
    setAdding(false);
    setPicked(null);
  };
  const failed = providers.error ?? kinds.error;
  return (
    <Section
      title={t`Providers`}
      intro={t`Models of vendors, or of another machine that speaks the OpenAI protocol. Keys are stored encrypted and never shown again.`}
    >
      {providers.isPending || kinds.isPending ? <Skeleton lines={3} /> : null}
      {failed ? <ErrorState error={failed} retry={() => void providers.refetch()} /> : null}
      {providers.data && kinds.data ? (
        <>
          {providers.data.length > 0 ? (
            <ul className="divide-y divide-line border-y border-line">
              {providers.data.map((provider) => (
                <ProviderRow
                  key={provider.id}
                  provider={provider}
                  kind={kinds.data.find(({ name }) => name === provider.kind)}
                />
              ))}
            </ul>
          ) : (
            <p className="text-muted">
              <Trans>None yet. With one set up, its models stand beside the local ones in every chat.</Trans>
            </p>
          )}
          <Button className="self-start" look="primary" onClick={() => setAdding(true)}>
            <Plus size={16} aria-hidden />
            <Trans>Add a provider</Trans>
          </Button>
          <Dialog
            open={adding}
            onClose={close}
            title={picked ? t`Add ${picked.title}` : t`Add a provider`}
            wide
          >
            {picked ? (
              <ProviderForm
                key={picked.name}
                kind={picked}
                onCancel={() => setPicked(null)}
                onDone={(provider) => {
                  close();
                  setAdded(provider.id);
                }}
              />
            ) : (
              <KindPicker kinds={kinds.data} onPick={setPicked} />
            )}
          </Dialog>
          <Dialog
            open={fresh !== undefined}
            onClose={() => setAdded(null)}
            title={t`Models of ${fresh?.name ?? ""}`}
            description={t`Those you choose can be picked in every chat and through the API.`}
            wide
          >
            {fresh ? <ChooseModels provider={fresh} onDone={() => setAdded(null)} /> : null}
          </Dialog>
        </>
      ) : null}
    </Section>
  );
}
