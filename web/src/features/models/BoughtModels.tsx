import type { ModelInfo } from "@/api/types";

import { Capabilities } from "./Capabilities";
import { ModelFacts } from "./ModelFacts";

/** Models of vendors, each under its provider. */
export function BoughtModels({ models }: { models: readonly ModelInfo[] }) {
  const providers = [...new Set(models.map(({ provider }) => provider))].sort();
  return providers.map((provider) => (
    <div key={provider}>
      <h3 className="text-sm font-medium text-muted">{provider}</h3>
      <ul className="mt-1 divide-y divide-line border-y border-line">
        {models
          .filter((model) => model.provider === provider)
          .map((model) => (
            <li key={model.name} className="py-3">
              <p className="break-words">
                <span className="mr-2 font-medium">{model.name}</span>
                <Capabilities names={model.capabilities} />
              </p>
              <ModelFacts model={model} />
            </li>
          ))}
      </ul>
    </div>
  ));
}
