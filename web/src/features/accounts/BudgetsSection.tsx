import { Trans, useLingui } from "@lingui/react/macro";
import { useDeferredValue, useState } from "react";

import type { LimitsInfo } from "@/api/types";
import { number } from "@/i18n/format";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorState } from "@/ui/ErrorState";
import { SelectField } from "@/ui/SelectField";
import { Skeleton } from "@/ui/Skeleton";
import { TextField } from "@/ui/TextField";

import { BudgetRow } from "./BudgetRow";
import { LimitBars } from "./LimitBars";
import { LimitsForm } from "./LimitsForm";
import { type SubjectKind, useClosest, useLimitsOfAll } from "./limits";
import { useLimitsInWords } from "./useLimitsInWords";

/** Subjects of one page. */
const PAGE = 50;

/** Admin > Budgets: who is limited, what they used, and what is left; the nearest to a limit first. */
export function BudgetsSection() {
  return (
    <div className="flex flex-col gap-10">
      <ForAll />
      <Everybody />
    </div>
  );
}

function ForAll() {
  const { t } = useLingui();
  const inWords = useLimitsInWords();
  const everyone = useLimitsOfAll("everyone");
  const each = useLimitsOfAll("default");
  const [editing, setEditing] = useState<"everyone" | "default" | null>(null);
  const close = () => setEditing(null);
  const failed = everyone.error ?? each.error;
  if (failed) {
    return <ErrorState error={failed} retry={() => void Promise.all([everyone.refetch(), each.refetch()])} />;
  }
  if (everyone.data === undefined || each.data === undefined) return <Skeleton lines={4} />;
  return (
    <>
      <Section
        title={t`Everybody here together`}
        intro={t`Nobody gets past this, whatever else they may: people, teams and keys count in it.`}
      >
        {everyone.data ? (
          <LimitBars limits={everyone.data} columns />
        ) : (
          <p className="text-muted">
            <Trans>No limit.</Trans>
          </p>
        )}
        <Edit limits={everyone.data} onClick={() => setEditing("everyone")} />
      </Section>
      <Section
        title={t`Each user`}
        intro={t`What everyone may use who has no limits of their own. Each has it for themselves.`}
      >
        <p className={each.data ? "" : "text-muted"}>
          {each.data ? inWords(each.data) : <Trans>No limit.</Trans>}
        </p>
        <Edit limits={each.data} onClick={() => setEditing("default")} />
      </Section>
      <Dialog open={editing === "everyone"} onClose={close} title={t`Everybody here together`} wide>
        <LimitsForm subject={{ kind: "everyone", id: "" }} limits={everyone.data} onDone={close} />
      </Dialog>
      <Dialog open={editing === "default"} onClose={close} title={t`Each user`} wide>
        <LimitsForm subject={{ kind: "default", id: "" }} limits={each.data} onDone={close} />
      </Dialog>
    </>
  );
}

function Edit({ limits, onClick }: { limits: LimitsInfo | null; onClick: () => void }) {
  return (
    <Button small className="self-start" onClick={onClick}>
      {limits ? <Trans>Change limits</Trans> : <Trans>Set limits</Trans>}
    </Button>
  );
}

function Everybody() {
  const { t } = useLingui();
  const [kind, setKind] = useState<"" | SubjectKind>("");
  const [query, setQuery] = useState("");
  const [shown, setShown] = useState(PAGE);
  const search = useDeferredValue(query.trim());
  const found = useClosest({ ...(kind ? { kind } : {}), search, offset: 0, limit: shown });
  const list = found.data?.limits.filter(({ subject_kind }) => subject_kind !== "everyone") ?? [];
  const total = (found.data?.total ?? 0) - ((found.data?.limits.length ?? 0) - list.length);
  return (
    <Section
      title={t`Who is limited`}
      intro={t`The nearest to a limit first. A team’s limits are set on its page, too.`}
    >
      <div className="grid gap-3 sm:grid-cols-2">
        <SelectField
          label={t`Shown`}
          value={kind}
          onChange={(event) => {
            setKind(event.target.value as "" | SubjectKind);
            setShown(PAGE);
          }}
        >
          <option value="">{t`People, teams and keys`}</option>
          <option value="user">{t`People`}</option>
          <option value="group">{t`Teams`}</option>
          <option value="key">{t`API keys`}</option>
        </SelectField>
        <TextField
          label={t`Search`}
          type="search"
          autoComplete="off"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setShown(PAGE);
          }}
        />
      </div>
      {found.isPending ? <Skeleton lines={4} /> : null}
      {found.isError ? <ErrorState error={found.error} retry={() => void found.refetch()} /> : null}
      {found.data && list.length === 0 ? (
        <p className="text-muted">
          {search || kind ? (
            <Trans>Nobody is found who is limited.</Trans>
          ) : (
            <Trans>Nobody has limits. Set those of each user above, or a team’s on its page.</Trans>
          )}
        </p>
      ) : null}
      {list.length > 0 ? (
        <ul className="divide-y divide-line border-y border-line">
          {list.map((one) => (
            <BudgetRow key={`${one.subject_kind} ${one.subject_id}`} limits={one} />
          ))}
        </ul>
      ) : null}
      {total > list.length ? (
        <div className="flex items-center justify-between gap-3 text-sm text-muted">
          <span role="status">
            <Trans>
              {number(list.length)} of {number(total)}
            </Trans>
          </span>
          {shown < 200 ? (
            <Button small busy={found.isFetching} onClick={() => setShown(Math.min(200, shown + PAGE))}>
              <Trans>Show more</Trans>
            </Button>
          ) : (
            <Trans>Search for others.</Trans>
          )}
        </div>
      ) : null}
    </Section>
  );
}
