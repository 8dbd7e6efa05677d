import { useLingui } from "@lingui/react/macro";

import { capabilityName } from "./capabilities";

/** What a model can do, in plain words. */
export function Capabilities({ names }: { names: readonly string[] }) {
  const { t } = useLingui();
  if (names.length === 0) return null;
  return (
    <span className="text-xs text-muted">
      <span className="sr-only">{t`Can do:`} </span>
      {names.map(capabilityName).join(" · ")}
    </span>
  );
}
