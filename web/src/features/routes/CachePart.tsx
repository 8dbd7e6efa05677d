import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Checkbox } from "@/ui/Checkbox";
import { NumberField } from "@/ui/NumberField";
import { SelectField } from "@/ui/SelectField";
import { toast, toastError } from "@/ui/toasts";

import type { Cache } from "./draft";
import { useClearCache } from "./queries";
import { type PartProps, problemText } from "./RouteEditor";

const UNITS = [1, 60, 3600, 86_400] as const;
type Unit = (typeof UNITS)[number];

/** The largest unit in which a time is a whole number. */
function unitOf(ttl: number): Unit {
  return [...UNITS].reverse().find((unit) => ttl >= unit && ttl % unit === 0) ?? 1;
}

/** Whether the very same call gets the same answer again, for how long, and who. */
export function CachePart({
  draft: { cache },
  change,
  problems,
  routeId,
  isKept,
}: PartProps & { routeId: string | null; isKept: boolean }) {
  const { t } = useLingui();
  const [unit, setUnit] = useState<Unit>(() => unitOf(cache?.ttl ?? 3600));
  const clear = useClearCache();
  const put = (patch: Partial<Cache>) => cache && change({ cache: { ...cache, ...patch } });
  const shared = problemText(problems, "cache.shared");
  return (
    <Section title={t`Keeping answers`}>
      <Checkbox
        label={t`Give the very same call the same answer again`}
        hint={t`The same in every field, with the same targets. An answer given again costs nothing. Chats here always ask anew.`}
        checked={cache !== null}
        onChange={(on) => change({ cache: on ? { ttl: 3600, shared: "user" } : null })}
      />
      {cache ? (
        <div className="flex flex-col gap-4 border-l border-line pl-4">
          <div className="grid gap-4 sm:grid-cols-2">
            <div className="flex items-end gap-2">
              <NumberField
                className="flex-1"
                label={t`For`}
                min={1}
                value={cache.ttl / unit}
                error={problemText(problems, "cache.ttl")}
                onChange={(value) => put({ ttl: Math.round((value ?? 0) * unit) })}
              />
              <SelectField
                label={<span className="sr-only">{t`Unit of time`}</span>}
                value={unit}
                onChange={(event) => {
                  const next = Number(event.target.value) as Unit;
                  put({ ttl: Math.round((cache.ttl / unit) * next) });
                  setUnit(next);
                }}
              >
                <option value={1}>{t`seconds`}</option>
                <option value={60}>{t`minutes`}</option>
                <option value={3600}>{t`hours`}</option>
                <option value={86_400}>{t`days`}</option>
              </SelectField>
            </div>
            <SelectField
              label={t`Given again to`}
              value={cache.shared}
              onChange={(event) => put({ shared: event.target.value as Cache["shared"] })}
            >
              <option value="user">{t`whoever asked`}</option>
              <option value="team">{t`those of the same team`}</option>
              <option value="everyone">{t`everyone who may use the route`}</option>
            </SelectField>
          </div>
          {shared ? <p className="text-sm text-ember">{shared}</p> : null}
          {routeId && isKept ? (
            <Button
              small
              className="self-start"
              busy={clear.isPending}
              onClick={() =>
                clear.mutate(routeId, {
                  onSuccess: ({ answers }) => toast(t`Forgotten: ${answers}`),
                  onError: toastError,
                })
              }
            >
              <Trans>Forget the answers kept so far</Trans>
            </Button>
          ) : null}
        </div>
      ) : null}
    </Section>
  );
}
