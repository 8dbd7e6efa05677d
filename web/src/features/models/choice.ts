import type { ChosenModel, ChosenModelInfo, KnownModel, ModelPrices, Provider } from "@/api/types";

/** A model as the form of a choice has it: what is known of it, and what is said of it here. */
export interface Choice {
  name: string;
  chosen: boolean;
  publicName: string;
  capabilities: readonly string[];
  contextLength: number;
  prices: ModelPrices | null;
  /** Prices that hold here instead of the vendor's. */
  ownPrices: ModelPrices | null;
}

/** All that can be chosen: what the provider lists, what is known of its kind, and what was chosen before. */
export function choices(
  provider: Pick<Provider, "models">,
  offered: readonly KnownModel[],
  known: readonly KnownModel[],
): Choice[] {
  const found = new Map<string, Choice>();
  for (const model of [...known, ...offered]) {
    const before = found.get(model.name);
    found.set(model.name, {
      name: model.name,
      chosen: false,
      publicName: model.name,
      capabilities: model.capabilities.length > 0 ? model.capabilities : (before?.capabilities ?? []),
      contextLength: model.context_length || (before?.contextLength ?? 0),
      prices: model.prices ?? before?.prices ?? null,
      ownPrices: null,
    });
  }
  for (const model of provider.models) {
    const own = model.own.includes("prices");
    found.set(model.name, {
      name: model.name,
      chosen: true,
      publicName: model.public_name,
      capabilities: model.capabilities,
      contextLength: model.context_length,
      prices: own ? (found.get(model.name)?.prices ?? null) : model.prices,
      ownPrices: own ? model.prices : null,
    });
  }
  return [...found.values()].sort(
    (a, b) => Number(b.chosen) - Number(a.chosen) || a.name.localeCompare(b.name),
  );
}

type Own = Partial<
  Pick<ChosenModel, "capabilities" | "context_length" | "output_length" | "embedding_length" | "languages">
>;

/** What an administrator said of a model before, which stays; prices are said anew. */
function ownFacts(before: ChosenModelInfo | undefined): Own {
  if (!before) return {};
  const facts = ["capabilities", "context_length", "output_length", "embedding_length", "languages"] as const;
  return Object.fromEntries(
    facts.filter((name) => before.own.includes(name)).map((name) => [name, before[name]]),
  );
}

/** The choice to save. What is known anyway is not said again, so that it follows what the vendor publishes. */
export function chosenModels(provider: Pick<Provider, "models">, all: readonly Choice[]): ChosenModel[] {
  return all
    .filter(({ chosen }) => chosen)
    .map(({ name, publicName, ownPrices }) => {
      const before = provider.models.find((model) => model.name === name);
      const called = publicName.trim();
      const isNew = !before && called === name;
      return {
        name,
        ...(called && !isNew ? { public_name: called } : {}),
        ...ownFacts(before),
        prices: ownPrices,
        enabled: before?.enabled ?? true,
      };
    });
}
