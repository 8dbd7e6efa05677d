import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useBlocker, useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useDeferredValue, useState } from "react";

import { ApiError } from "@/api/error";
import type { RouteInfo, RouteProblem } from "@/api/types";
import { Section } from "@/shell/Section";
import { Button } from "@/ui/Button";
import { Checkbox } from "@/ui/Checkbox";
import { Confirm } from "@/ui/Confirm";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { TextField } from "@/ui/TextField";
import { toast, toastError } from "@/ui/toasts";

import { CachePart } from "./CachePart";
import { CallsPart } from "./CallsPart";
import { blank, definitionOf, isSame, problemAt, problemsIn, type RouteDraft, toDraft } from "./draft";
import { FailurePart } from "./FailurePart";
import {
  routesChanged,
  useAddRoute,
  useChangeRoute,
  useCurrency,
  useRemoveRoute,
  useReview,
} from "./queries";
import { StrategyPart } from "./StrategyPart";
import { TargetsPart } from "./TargetsPart";
import { TryPart } from "./TryPart";
import { problemInWords } from "./words";

/** What the parts of the editor work on. */
export interface PartProps {
  draft: RouteDraft;
  change: (patch: Partial<RouteDraft>) => void;
  problems: readonly RouteProblem[];
  currency: string;
}

/** Writes a route: who is asked, in what order, which calls it takes, and what happens when one fails. */
export function RouteEditor({ route, others }: { route: RouteInfo | null; others: readonly RouteInfo[] }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const [kept, setKept] = useState(() => ({
    draft: route ? toDraft(route) : blank(),
    at: route?.updated_at,
  }));
  const [draft, setDraft] = useState(kept.draft);
  const [removing, setRemoving] = useState(false);
  const currency = useCurrency();
  const add = useAddRoute();
  const save = useChangeRoute();
  const remove = useRemoveRoute();
  const { error, isPending } = route ? save : add;
  const dirty = !isSame(draft, kept.draft);
  const definition = definitionOf(draft);
  const looked = useDeferredValue(definition);
  const review = useReview(draft.name.trim() || "-", looked, draft.targets.length > 0);
  const problems = draft.targets.length > 0 ? problemsIn(review.data?.problems) : [];
  const errors = problems.filter(({ level }) => level === "error");
  const field = error instanceof ApiError ? error.field : null;
  // What the review tells beside its field need not be told again below.
  const told = field === "name" || (field?.startsWith("definition") && errors.length > 0);
  const blocker = useBlocker({
    shouldBlockFn: () => dirty,
    enableBeforeUnload: dirty,
    withResolver: true,
  });

  const change = (patch: Partial<RouteDraft>) => setDraft((before) => ({ ...before, ...patch }));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const { name, description, enabled } = draft;
    const body = { name, description, enabled, definition };
    const done = (saved: RouteInfo) => {
      setKept({ draft, at: saved.updated_at });
      toast(t`Saved.`);
      if (!route)
        void navigate({ to: "/models/routes/$routeId", params: { routeId: saved.id }, ignoreBlocker: true });
    };
    if (route) save.mutate({ id: route.id, ...body }, { onSuccess: done });
    else add.mutate(body, { onSuccess: done });
  };
  const reload = () => {
    if (!route) return;
    setKept({ draft: toDraft(route), at: route.updated_at });
    setDraft(toDraft(route));
  };
  const part: PartProps = { draft, change, problems, currency };
  return (
    <form onSubmit={submit} className="flex flex-col gap-10" aria-label={t`Route`}>
      {route && kept.at !== route.updated_at ? (
        <Notice
          look="warning"
          action={
            <Button small onClick={reload}>
              <Trans>Load it anew</Trans>
            </Button>
          }
        >
          <Trans>
            Somebody else changed this route while you had it open. Saving puts yours in its place.
          </Trans>
        </Notice>
      ) : null}
      <div className="flex max-w-measure flex-col gap-5">
        <TextField
          label={t`Name`}
          hint={t`What people and tools ask for, such as smart, fast or house-default.`}
          error={field === "name" ? explain(error) : undefined}
          required
          maxLength={200}
          spellCheck={false}
          autoCapitalize="off"
          value={draft.name}
          onChange={(event) => {
            change({ name: event.target.value });
            add.reset();
            save.reset();
          }}
        />
        <TextField
          label={t`Description`}
          hint={t`For those who manage the routes.`}
          maxLength={2000}
          value={draft.description}
          onChange={(event) => change({ description: event.target.value })}
        />
        <Checkbox
          label={t`Switched on`}
          hint={t`Off, nobody finds it under its name.`}
          checked={draft.enabled}
          onChange={(enabled) => change({ enabled })}
        />
      </div>
      <TargetsPart {...part} routes={others} />
      <StrategyPart {...part} />
      <CallsPart {...part} />
      <FailurePart {...part} />
      <CachePart {...part} routeId={route?.id ?? null} isKept={kept.draft.cache !== null} />
      <TryPart draft={draft} currency={currency} />
      {route ? (
        <Section title={t`Remove`}>
          <p className="text-muted">
            <Trans>Whoever asks for this name is told then that there is no such model.</Trans>
          </p>
          <Button look="danger" className="self-start" onClick={() => setRemoving(true)}>
            <Trans>Remove this route</Trans>
          </Button>
        </Section>
      ) : null}
      <div className="sticky bottom-0 z-10 -mx-4 -mb-24 flex flex-col gap-2 border-t border-line bg-paper px-4 py-3 sm:-mx-8 sm:px-8">
        {error && !told ? <Notice look="error">{explain(error)}</Notice> : null}
        <div className="flex flex-wrap items-center justify-end gap-2">
          <span className="min-w-0 flex-1 basis-40 text-sm text-muted" role="status">
            {errors.length > 0 ? (
              <span className="text-danger">
                {errors.length === 1 && errors[0] ? (
                  problemInWords(errors[0])
                ) : (
                  <Plural value={errors.length} one="# thing to mend" other="# things to mend" />
                )}
              </span>
            ) : dirty ? (
              <Trans>Not saved yet</Trans>
            ) : null}
          </span>
          {dirty && route ? (
            <Button look="quiet" onClick={() => setDraft(kept.draft)}>
              <Trans>Undo changes</Trans>
            </Button>
          ) : null}
          <Button
            look="primary"
            type="submit"
            busy={isPending}
            disabled={!draft.name.trim() || draft.targets.length === 0 || (route !== null && !dirty)}
          >
            <Trans>Save</Trans>
          </Button>
        </div>
      </div>
      <Confirm
        open={removing}
        title={t`Remove ${kept.draft.name}?`}
        act={t`Remove`}
        busy={remove.isPending}
        onCancel={() => setRemoving(false)}
        onConfirm={() =>
          route &&
          remove.mutate(route.id, {
            onSuccess: () => {
              void navigate({
                to: "/models/$section",
                params: { section: "routes" },
                ignoreBlocker: true,
              }).then(routesChanged);
            },
            onError: (failure) => {
              setRemoving(false);
              toastError(failure);
            },
          })
        }
      >
        <Trans>
          Chats and tools that use it fail until they ask for another model. Models behind it stay.
        </Trans>
      </Confirm>
      <Confirm
        open={blocker.status === "blocked"}
        title={t`Leave without saving?`}
        act={t`Leave`}
        onCancel={() => blocker.reset?.()}
        onConfirm={() => blocker.proceed?.()}
      >
        <Trans>What you changed in this route is lost then.</Trans>
      </Confirm>
    </form>
  );
}

/** What stands below a field, if there is something about it. */
export function problemText(problems: readonly RouteProblem[], field: string): string | undefined {
  const problem = problemAt(problems, field);
  return problem && problemInWords(problem);
}
