import { Plural, Trans, useLingui } from "@lingui/react/macro";

import type { TargetHealth } from "@/api/types";
import { duration } from "@/i18n/format";

import { clockTime } from "./clock";
import { StateDot } from "./StateDot";

const AT_ONCE_MS = 100;

/** How a target is at this moment: how quick, how busy, and whether it rests after failures. */
export function HealthLine({ health, slowest }: { health: TargetHealth; slowest: number }) {
  const { t } = useLingui();
  const quick = health.streamed_ms || health.whole_ms;
  const resting = health.keys.filter(({ limit, key }) => limit !== "ready" || key !== "ready");
  return (
    <span
      className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-muted"
      data-health={health.state}
    >
      <span className="flex items-center gap-2">
        <StateDot state={health.state} />
        <State health={health} />
      </span>
      {quick > 0 ? (
        <span className="flex items-center gap-2">
          <Latency ms={quick} slowest={slowest} />
          {quick < AT_ONCE_MS
            ? t`answers at once`
            : health.streamed_ms > 0
              ? t`begins in about ${duration(health.streamed_ms)}`
              : t`answers in about ${duration(health.whole_ms)}`}
        </span>
      ) : null}
      {health.in_flight > 0 ? (
        <span>
          <Plural value={health.in_flight} one="# answer under way" other="# answers under way" />
        </span>
      ) : null}
      {health.keys.length > 1
        ? resting.map(({ number, until, key }) => (
            <span key={number} className="text-ember">
              {key !== "ready"
                ? t`key ${number + 1} was refused`
                : until
                  ? t`key ${number + 1} rests until ${clockTime(until)}`
                  : t`key ${number + 1} rests`}
            </span>
          ))
        : null}
    </span>
  );
}

function State({ health: { state, failures, until } }: { health: TargetHealth }) {
  switch (state) {
    case "resting":
      return (
        <span className="text-danger">
          {until ? <Trans>rests until {clockTime(until)}</Trans> : <Trans>rests</Trans>}
          {failures > 0 ? (
            <>
              {" · "}
              <Plural value={failures} one="# failure in a row" other="# failures in a row" />
            </>
          ) : null}
        </span>
      );
    case "waiting":
      return <Trans>rested; the next call tries it</Trans>;
    case "probing":
      return <Trans>a call is trying it again</Trans>;
    default:
      return failures > 0 ? (
        <Plural
          value={failures}
          one="ready, though it failed once"
          other="ready, though it failed # times in a row"
        />
      ) : (
        <Trans>ready</Trans>
      );
  }
}

function Latency({ ms, slowest }: { ms: number; slowest: number }) {
  return (
    <svg aria-hidden viewBox="0 0 60 6" className="h-1.5 w-15 rounded-full bg-line">
      <rect width={Math.max(2, (ms / Math.max(slowest, ms)) * 60)} height={6} className="fill-muted" />
    </svg>
  );
}
