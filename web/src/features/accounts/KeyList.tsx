import { Trans, useLingui } from "@lingui/react/macro";
import { type ReactNode, useDeferredValue, useState } from "react";

import { number } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";
import { TextField } from "@/ui/TextField";

import { KeyRow } from "./KeyRow";
import { useKeyPages, type Whose } from "./keys";
import { useLimitsOfKeys } from "./limits";
import { useMe } from "./session";

/** From so many keys on a search is of use. */
const MANY = 8;

/** Keys, newest first, in pages: the server searches, so there may be very many. */
export function KeyList({ whose, empty }: { whose: Whose; empty: ReactNode }) {
  const { t } = useLingui();
  const me = useMe();
  const [query, setQuery] = useState("");
  const search = useDeferredValue(query.trim());
  const { data, error, isPending, hasNextPage, fetchNextPage, isFetchingNextPage, refetch } = useKeyPages(
    whose,
    search,
  );
  const keys = data?.pages.flatMap((page) => page.keys) ?? [];
  const total = data?.pages[0]?.total ?? 0;
  if (error) return <ErrorState error={error} retry={() => void refetch()} />;
  if (isPending) return <Skeleton lines={3} />;
  if (total === 0 && search === "") return <p className="text-muted">{empty}</p>;
  return (
    <div className="flex flex-col gap-3">
      {total > MANY || query ? (
        <TextField
          label={t`Search keys`}
          hint={
            whose.kind === "everyone"
              ? t`Part of a name or an owner’s name, or how a key begins.`
              : t`Part of a name, or how a key begins.`
          }
          type="search"
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      ) : null}
      {keys.length === 0 ? (
        <p className="text-muted">
          <Trans>No key is found.</Trans>
        </p>
      ) : (
        <ul className="divide-y divide-line border-y border-line">
          {data.pages.map((page) => (
            <KeyRows key={page.keys[0]?.id} keys={page.keys} owned={whose.kind === "everyone"} me={me.id} />
          ))}
        </ul>
      )}
      {total > MANY ? (
        <div className="flex items-center justify-between gap-3 text-sm text-muted">
          <span role="status">
            <Trans>
              {number(keys.length)} of {number(total)} keys
            </Trans>
          </span>
          {hasNextPage ? (
            <Button small busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              <Trans>Show more</Trans>
            </Button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}

/** The keys of a page, with their limits, which are asked for together. */
function KeyRows({
  keys,
  owned,
  me,
}: {
  keys: Parameters<typeof KeyRow>[0]["item"][];
  owned: boolean;
  me: string;
}) {
  const limits = useLimitsOfKeys(keys.map(({ id }) => id));
  return keys.map((key) => (
    <KeyRow
      key={key.id}
      item={key}
      owned={owned}
      limits={limits.data?.get(key.id) ?? null}
      rotates={key.group_id !== null || key.user_id === me}
    />
  ));
}
