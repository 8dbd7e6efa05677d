import { useLingui } from "@lingui/react/macro";

import { Section } from "@/shell/Section";

import { PullRow } from "./PullRow";
import { usePulls } from "./queries";
import { usePullProgress } from "./usePullProgress";

const RECENT_MS = 60 * 60_000;

/** Models on their way, and those that did not arrive. */
export function PullList() {
  const { t } = useLingui();
  const pulls = usePulls();
  usePullProgress();
  const shown = (pulls.data ?? []).filter(
    ({ status, ended_at }, index, all) =>
      status === "running" ||
      (status === "failed" &&
        (ended_at ?? 0) > pulls.dataUpdatedAt - RECENT_MS &&
        all.findIndex(({ source }) => source === all[index]?.source) === index),
  );
  if (shown.length === 0) return null;
  return (
    <Section title={t`On their way`}>
      <ul className="flex flex-col gap-4">
        {shown.map((pull) => (
          <PullRow key={pull.id} pull={pull} />
        ))}
      </ul>
    </Section>
  );
}
