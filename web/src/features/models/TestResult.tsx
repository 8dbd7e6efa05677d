import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Check, Minus, X } from "lucide-react";
import type { ReactNode } from "react";

import type { ProviderTest } from "@/api/types";
import { duration } from "@/i18n/format";

const FAR = ["unreachable", "tls", "timeout", "wrong_url"];
const UNPAID = ["key_refused", "out_of_credit"];

/** What of a provider works, step by step, and what is wrong with the first that does not. */
export function TestResult({ test }: { test: ProviderTest }) {
  const { t } = useLingui();
  const { ok, problem, models, latency_ms: took } = test;
  const code = ok ? "" : (problem?.code ?? "failed");
  const tried = code !== "settings";
  const reached = tried && !FAR.includes(code);
  const let_in = reached && !UNPAID.includes(code);
  return (
    <div role="status" data-test={ok ? "ok" : code} className="flex flex-col gap-1 text-sm">
      <Step state={!tried ? "open" : reached ? "good" : "bad"}>
        {reached ? t`Reached` : tried ? t`Not reached` : t`Not tried`}
      </Step>
      <Step state={!reached ? "open" : let_in ? "good" : "bad"}>
        {let_in ? t`Lets us in` : reached ? t`Does not let us in` : t`Whether it lets us in is not known`}
      </Step>
      <Step state={!let_in ? "open" : ok ? "good" : "bad"}>
        {ok && models !== null ? (
          <Plural value={models} one="Lists # model" other="Lists # models" />
        ) : ok ? (
          t`A model answered`
        ) : (
          t`No answer`
        )}
      </Step>
      {took !== null ? (
        <p className="pl-6 text-muted">
          <Trans>in {duration(took)}</Trans>
        </p>
      ) : null}
      {problem ? <p className="pl-6 break-words text-danger">{problem.message}</p> : null}
    </div>
  );
}

function Step({ state, children }: { state: "good" | "bad" | "open"; children: ReactNode }) {
  const Icon = { good: Check, bad: X, open: Minus }[state];
  const look = { good: "text-good", bad: "text-danger", open: "text-muted" }[state];
  return (
    <p className="flex items-center gap-2">
      <Icon size={16} aria-hidden className={look} />
      <span className={state === "open" ? "text-muted" : undefined}>{children}</span>
    </p>
  );
}
