import { Trans, useLingui } from "@lingui/react/macro";
import { Plus } from "lucide-react";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { KeyRow } from "./KeyRow";
import { useKeys } from "./keys";
import { NewKeyForm } from "./NewKeyForm";

/** Settings > API keys: for programs that speak the OpenAI or Ollama protocol. */
export function KeysSection() {
  const { t } = useLingui();
  const keys = useKeys();
  const [making, setMaking] = useState(false);
  return (
    <Section
      title={t`API keys`}
      intro={t`With a key, any program that speaks the OpenAI or Ollama protocol can use the models here in your name.`}
    >
      {keys.isPending ? <Skeleton lines={3} /> : null}
      {keys.isError ? <ErrorState error={keys.error} retry={() => void keys.refetch()} /> : null}
      {keys.data?.length === 0 ? (
        <p className="text-muted">
          <Trans>You have no keys.</Trans>
        </p>
      ) : null}
      {keys.data && keys.data.length > 0 ? (
        <ul className="divide-y divide-line border-y border-line">
          {keys.data.map((key) => (
            <KeyRow key={key.id} item={key} />
          ))}
        </ul>
      ) : null}
      <Button look="primary" className="self-start" onClick={() => setMaking(true)}>
        <Plus size={16} aria-hidden />
        <Trans>Create a key</Trans>
      </Button>
      <Dialog open={making} onClose={() => setMaking(false)} title={t`Create an API key`} wide>
        <NewKeyForm onDone={() => setMaking(false)} />
      </Dialog>
    </Section>
  );
}
