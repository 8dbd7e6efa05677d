import { Trans, useLingui } from "@lingui/react/macro";
import { ChevronDown } from "lucide-react";
import { type ComponentProps, lazy, Suspense, useState } from "react";

const ModelPopover = lazy(() =>
  import("./ModelPopover").then(({ ModelPopover }) => ({ default: ModelPopover })),
);

export interface ModelPickerProps {
  model: string | null;
  onPick: (name: string) => void;
}

/** Which model answers; opens a searchable list, which is loaded when it is first wanted. */
export function ModelPicker({ model, onPick }: ModelPickerProps) {
  const [wanted, setWanted] = useState(false);
  if (!wanted) return <ModelButton model={model} aria-haspopup="dialog" onClick={() => setWanted(true)} />;
  const button = <ModelButton model={model} />;
  return (
    <Suspense fallback={button}>
      <ModelPopover trigger={button} model={model} onPick={onPick} />
    </Suspense>
  );
}

function ModelButton({ model, ...rest }: { model: string | null } & ComponentProps<"button">) {
  const { t } = useLingui();
  return (
    <button
      type="button"
      {...rest}
      aria-label={model ? t`Model: ${model}` : t`Choose a model`}
      className="-ml-2 inline-flex min-h-9 min-w-0 items-center gap-1.5 rounded px-2 font-medium hover:bg-hover data-popup-open:bg-hover"
    >
      <span className="truncate">{model ?? <Trans>Choose a model</Trans>}</span>
      <ChevronDown size={15} aria-hidden className="shrink-0 text-muted" />
    </button>
  );
}
