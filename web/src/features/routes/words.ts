import { t } from "@lingui/core/macro";

import type { RouteProblem } from "@/api/types";
import { money } from "@/features/usage/money";
import { duration, listing, number, span } from "@/i18n/format";

import { capabilityName } from "@/features/models/capabilities";

import { type Conditions, EVERY_DAY, type Failure, type Hours, type Strategy } from "./draft";

/** What a route says and does, in words. */

const STRATEGIES: readonly Strategy[] = [
  "ordered",
  "weighted",
  "least-busy",
  "least-latency",
  "cheapest",
  "sticky",
];

export function strategyName(strategy: Strategy): string {
  const names: Record<Strategy, string> = {
    ordered: t`In this order`,
    weighted: t`By share`,
    "least-busy": t`The least busy`,
    "least-latency": t`The quickest`,
    cheapest: t`The cheapest`,
    sticky: t`The one that knows the conversation`,
  };
  return names[strategy];
}

/** The same of whatever the server calls a strategy. */
export function strategyTitle(strategy: string): string {
  return STRATEGIES.includes(strategy as Strategy) ? strategyName(strategy as Strategy) : strategy;
}

export function strategyMeaning(strategy: Strategy): string {
  const meanings: Record<Strategy, string> = {
    ordered: t`The first that may take the call answers; the others are there for when it fails.`,
    weighted: t`Drawn by lot, each as often as its share says.`,
    "least-busy": t`The one with the fewest answers under way, in proportion to its share.`,
    "least-latency": t`The one that is likely to begin soonest, by what was measured just now.`,
    cheapest: t`The one where this call costs least, were the answer as long as it may get.`,
    sticky: t`Whoever answered this conversation last, while its prompt cache is warm: that saves money and time.`,
  };
  return meanings[strategy];
}

export function failureName(failure: Failure): string {
  const names: Record<Failure, string> = {
    failed: t`It fails, or cannot be reached`,
    timeout: t`It does not answer in time`,
    overloaded: t`It is overloaded`,
    limited: t`It limits our requests`,
    key_refused: t`It refuses our key`,
    out_of_credit: t`Our credit there is used up`,
    not_found: t`It does not know the model`,
    context_too_long: t`The prompt is too long for it (then longer ones only)`,
    cannot_carry: t`It has no word for something in the request`,
    content_refused: t`Its rules forbid the content`,
  };
  return names[failure];
}

const day = (name: Hours["days"][number]) =>
  ({
    mon: t`Mon`,
    tue: t`Tue`,
    wed: t`Wed`,
    thu: t`Thu`,
    fri: t`Fri`,
    sat: t`Sat`,
    sun: t`Sun`,
  })[name];

export const dayName = day;

export function hoursInWords({ days, start, end, zone }: Hours): string {
  const names =
    EVERY_DAY.length === days.length
      ? t`every day`
      : listing(EVERY_DAY.filter((one) => days.includes(one)).map(day));
  const span = start === end ? t`all day` : `${start}–${end}`;
  return `${names} ${span} (${zone})`;
}

/** Which calls are taken, each condition in words; nothing: all that can be. */
export function conditionsInWords(when: Conditions, currency: string): string[] {
  const { needs, tags, without_tags: without, min_prompt_tokens: least, max_prompt_tokens: most } = when;
  const words: string[] = [];
  if (needs.length > 0) {
    const named = listing(needs.map(capabilityName));
    words.push(t`calls that need ${named}`);
  }
  if (tags.length > 0) {
    const named = listing(tags);
    words.push(t`tagged ${named}`);
  }
  if (without.length > 0) {
    const named = listing(without);
    words.push(t`not tagged ${named}`);
  }
  if (least !== null && most !== null) words.push(t`prompts of ${number(least)} to ${number(most)} tokens`);
  else if (least !== null) words.push(t`prompts from ${number(least)} tokens`);
  else if (most !== null) words.push(t`prompts up to ${number(most)} tokens`);
  for (const hours of when.times) words.push(hoursInWords(hours));
  if (when.max_cost !== null) words.push(t`calls for at most ${money(when.max_cost, currency)}`);
  return words;
}

/** Why a target takes a call, or would be the next to. */
export function takenWhy(why: string): string {
  switch (why) {
    case "ordered":
      return t`it is the first in the list that may take this call`;
    case "weighted":
      return t`the lot fell on it, by the shares`;
    case "least-busy":
      return t`it has the fewest answers under way for its share`;
    case "least-latency":
      return t`it is likely to begin soonest`;
    case "cheapest":
      return t`this call costs least there`;
    case "sticky":
    case "warm":
      return t`it answered this conversation before, and its prompt cache is warm`;
    case "only":
      return t`it is the only one that may take this call`;
    case "fallback":
      return t`the one before it failed`;
    case "key":
      return t`with another key of the same provider`;
    case "again":
      return t`asked once more`;
    case "nobody_else":
      return t`it rests after failures, but all others failed too`;
    case "named":
      return t`it was asked for by its own name`;
    default:
      return why;
  }
}

/** Why a target was not asked. */
export function passedWhy(why: string): string {
  switch (why) {
    case "needs":
      return t`takes only calls that need more`;
    case "tags":
      return t`does not take calls with these tags`;
    case "time":
      return t`is not asked at this hour`;
    case "prompt":
      return t`does not take prompts of this length`;
    case "cost":
      return t`the call would cost more there than it may`;
    case "price":
      return t`has no known price, and the cost is limited`;
    case "private":
      return t`does not run here, and the route stays in the house`;
    case "capability":
      return t`cannot do what the call needs`;
    case "operation":
      return t`has no way to do this kind of call`;
    case "context":
      return t`the prompt is longer than it can read`;
    case "missing":
      return t`is not here now`;
    case "resting":
      return t`rests after failures`;
    case "limited":
      return t`rests, because it limited our requests`;
    case "key":
      return t`none of its keys works at the moment`;
    default:
      return why;
  }
}

/** Why a target that was asked did not answer, by the code of its error. */
export function failedWhy(code: string): string {
  switch (code) {
    case "upstream_timeout":
      return t`did not answer in time`;
    case "upstream_failed":
      return t`failed`;
    case "unavailable":
      return t`was overloaded`;
    case "too_many":
      return t`limited our requests`;
    case "provider_key_refused":
      return t`refused our key`;
    case "provider_out_of_credit":
      return t`wanted to be paid first`;
    case "not_found":
    case "model_not_found":
      return t`did not know the model`;
    case "context_too_long":
      return t`found the prompt too long`;
    case "content_refused":
      return t`refused the content`;
    case "cannot_carry":
    case "not_capable":
      return t`had no word for something in the request`;
    default:
      return t`failed (${code})`;
  }
}

/** A problem of a definition; where nothing is known of it but the server's English, that. */
export function problemInWords({ code, target, message }: RouteProblem): string {
  switch (code) {
    case "twice":
      return t`${target ?? ""} is there twice; name each target once.`;
    case "loops":
      return t`${target ?? ""} leads back to this route.`;
    case "missing":
      return t`There is no model and no route called ${target ?? ""} now.`;
    case "empty_span":
      return t`The most is less than the least.`;
    case "never":
      return t`A tag is both wanted and not wanted, so no call is ever taken.`;
    case "zone":
      return t`The server does not know this time zone; write one such as Asia/Shanghai, or UTC.`;
    case "no_weight":
      return t`Every share is 0; give one target more.`;
    case "embedders":
      return t`These embed with different models: vectors of one cannot be compared with those of another.`;
    case "shared_private":
      return t`A route that stays in the house keeps answers for everyone: whoever may use it sees what others were answered.`;
    case "shadowed":
      return t`A model has the same name; the name means this route.`;
    default:
      return message;
  }
}

/** Seconds as people say them: 10 sec, 90 min, 24 hr, 30 days. */
export function seconds(value: number): string {
  const [size, name] = SPANS.find(([size]) => value >= size && value % size === 0) ?? [1, null];
  return name ? span(value / size, name) : duration(value * 1000);
}

const SPANS = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
] as const;
