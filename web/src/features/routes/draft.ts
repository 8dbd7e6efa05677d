import type { RouteDefinition, RouteInfo, RouteProblem, RouteTarget } from "@/api/types";

/** A route while somebody writes it: everything is said, and each target has an id of its own for the page. */

type Whole<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

type GivenConditions = NonNullable<RouteDefinition["when"]>;
export type Hours = Whole<NonNullable<GivenConditions["times"]>[number]>;
export type Conditions = Omit<Whole<GivenConditions>, "times"> & { times: Hours[] };
export type Strategy = NonNullable<RouteDefinition["strategy"]>;
export type Failure = NonNullable<RouteDefinition["fallback"]>[number];
export type Target = Whole<Omit<RouteTarget, "when">> & { when: Conditions };
export type TargetDraft = Target & { id: string };
export type Retries = Whole<NonNullable<RouteDefinition["retries"]>>;
export type Sticky = Whole<NonNullable<RouteDefinition["sticky"]>>;
export type Cache = Whole<NonNullable<RouteDefinition["cache"]>>;

interface Shared {
  strategy: Strategy;
  when: Conditions;
  private: "local-only" | null;
  fallback: Failure[];
  retries: Retries;
  first_byte_timeout: number | null;
  answer_timeout: number | null;
  sticky: Sticky;
  cache: Cache | null;
}

export type Definition = Shared & { targets: Target[] };

export interface RouteDraft extends Shared {
  name: string;
  description: string;
  enabled: boolean;
  targets: TargetDraft[];
}

export const EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

export const FAILURES: readonly Failure[] = [
  "failed",
  "timeout",
  "overloaded",
  "limited",
  "key_refused",
  "out_of_credit",
  "not_found",
  "context_too_long",
  "cannot_carry",
  "content_refused",
];

/** After these the server goes on unless a route says otherwise. */
const USUAL = FAILURES.filter((failure) => failure !== "content_refused");

export const NO_CONDITIONS: Conditions = {
  needs: [],
  tags: [],
  without_tags: [],
  min_prompt_tokens: null,
  max_prompt_tokens: null,
  times: [],
  max_cost: null,
};

const ALL_HOURS: Hours = { days: [...EVERY_DAY], start: "00:00", end: "00:00", zone: "UTC" };
const RETRIES: Retries = { times: 1, order: "next", wait: 0.5, max_wait: 8, max_retry_after: 15 };
const STICKY: Sticky = { then: "weighted", warm_for: 600 };

let made = 0;

/** A target as it is added. */
export function newTarget(model: string): TargetDraft {
  made += 1;
  return {
    id: `target-${made}`,
    model,
    weight: 1,
    private: false,
    first_byte_timeout: null,
    when: NO_CONDITIONS,
  };
}

export function blank(): RouteDraft {
  return {
    name: "",
    description: "",
    enabled: true,
    strategy: "ordered",
    targets: [],
    when: NO_CONDITIONS,
    private: null,
    fallback: USUAL,
    retries: RETRIES,
    first_byte_timeout: null,
    answer_timeout: null,
    sticky: STICKY,
    cache: null,
  };
}

/** What the server tells of a route, as a draft; whatever it leaves out is what it takes it for. */
export function toDraft({ name, description, enabled, definition }: RouteInfo): RouteDraft {
  const usual = blank();
  return {
    name,
    description,
    enabled,
    strategy: definition.strategy ?? usual.strategy,
    targets: definition.targets.map(({ model, when, ...target }) => ({
      ...newTarget(model),
      ...target,
      when: conditions(when),
    })),
    when: conditions(definition.when),
    private: definition.private ?? null,
    fallback: definition.fallback ?? usual.fallback,
    retries: { ...RETRIES, ...definition.retries },
    first_byte_timeout: definition.first_byte_timeout ?? null,
    answer_timeout: definition.answer_timeout ?? null,
    sticky: { ...STICKY, ...definition.sticky },
    cache: definition.cache ? { shared: "user", ...definition.cache } : null,
  };
}

function conditions(given: RouteDefinition["when"]): Conditions {
  const { times = [], ...rest } = given ?? {};
  return { ...NO_CONDITIONS, ...rest, times: times.map((hours) => ({ ...ALL_HOURS, ...hours })) };
}

/** What a draft says the route does, as the server takes it. */
export function definitionOf(draft: RouteDraft): Definition {
  const { strategy, when, private: kept, fallback, retries, sticky, cache } = draft;
  const { first_byte_timeout, answer_timeout } = draft;
  return {
    strategy,
    targets: draft.targets.map(({ model, weight, private: inHouse, first_byte_timeout, when }) => ({
      model,
      weight,
      private: inHouse,
      first_byte_timeout,
      when,
    })),
    when,
    private: kept,
    fallback: FAILURES.filter((failure) => fallback.includes(failure)),
    retries,
    first_byte_timeout,
    answer_timeout,
    sticky,
    cache,
  };
}

/** Whether two drafts say the same. */
export function isSame(one: RouteDraft, other: RouteDraft): boolean {
  const said = (draft: RouteDraft) =>
    JSON.stringify([draft.name, draft.description, draft.enabled, definitionOf(draft)]);
  return said(one) === said(other);
}

/** Whether the strategy of a route looks at the weights of its targets. */
export function weighs({ strategy, sticky }: Pick<RouteDraft, "strategy" | "sticky">): boolean {
  const weighing: string[] = ["weighted", "least-busy"];
  return weighing.includes(strategy === "sticky" ? sticky.then : strategy);
}

/** Problems as they are told of a draft, or in an error's details. */
export function problemsIn(given: unknown): RouteProblem[] {
  if (!Array.isArray(given)) return [];
  return given.filter(
    (problem): problem is RouteProblem =>
      typeof problem === "object" &&
      problem !== null &&
      typeof (problem as RouteProblem).field === "string" &&
      typeof (problem as RouteProblem).message === "string",
  );
}

/** The problem of a field, `targets[1].weight`; an error before a warning. */
export function problemAt(problems: readonly RouteProblem[], field: string): RouteProblem | undefined {
  const found = problems.filter((problem) => problem.field === field);
  return found.find(({ level }) => level === "error") ?? found[0];
}

/** The problems of a part and of all in it: of `targets[1]`, `targets[1].when.tags` too. */
export function problemsWithin(problems: readonly RouteProblem[], part: string): RouteProblem[] {
  return problems.filter(
    ({ field }) => field === part || field.startsWith(`${part}.`) || field.startsWith(`${part}[`),
  );
}
