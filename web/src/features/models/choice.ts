import type { ChosenModel, OfferedModel, Provider } from "@/api/types";

type Capability = NonNullable<ChosenModel["capabilities"]>[number];

const CAPABILITIES: readonly string[] = ["completion", "embedding", "tools", "vision", "thinking", "insert"];

function isCapability(name: string): name is Capability {
  return CAPABILITIES.includes(name);
}

/** The choice to save: what was chosen before keeps its facts and name, new ones take those the provider gives. */
export function chosenModels(
  provider: Pick<Provider, "models">,
  offered: readonly OfferedModel[],
  names: readonly string[],
): ChosenModel[] {
  return names.map((name) => {
    const before = provider.models.find((model) => model.name === name);
    const facts = before ?? offered.find((model) => model.name === name);
    return {
      name,
      ...(before ? { public_name: before.public_name } : {}),
      capabilities: (facts?.capabilities ?? ["completion"]).filter(isCapability),
      context_length: facts?.context_length ?? 0,
      embedding_length: facts?.embedding_length ?? 0,
      languages: facts?.languages ?? [],
      enabled: before?.enabled ?? true,
    };
  });
}
