import { Trans, useLingui } from "@lingui/react/macro";
import { Search } from "lucide-react";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";

import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Skeleton } from "@/ui/Skeleton";

import { ConversationRow } from "./ConversationRow";
import { DayHeading } from "./DayHeading";
import { useDeletions } from "./deletion";
import { grouped } from "./groups";
import { useConversations } from "./queries";

/** One's conversations by day, with a search of their titles; only those in view are drawn. */
export function ConversationList() {
  const { t } = useLingui();
  const [query, setQuery] = useState("");
  const list = useConversations(useDeferredValue(query.trim()));
  const pending = useDeletions((state) => state.pending);
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useRef<VirtualizerHandle>(null);

  const rows = useMemo(() => {
    const all = (list.data?.pages ?? []).flatMap((page) => page.conversations);
    return grouped(
      all.filter(({ id }) => !pending.has(id)),
      list.dataUpdatedAt,
    );
  }, [list.data, list.dataUpdatedAt, pending]);

  const onScroll = (offset: number) => {
    const last = virtualizer.current?.findItemIndex(offset + (scroller.current?.clientHeight ?? 0)) ?? 0;
    if (last > rows.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage();
  };

  return (
    <section aria-label={t`Conversations`} className="flex min-h-0 flex-1 flex-col">
      <div className="relative px-2 pt-3 pb-1">
        <Search size={14} aria-hidden className="pointer-events-none absolute top-6 left-5 text-muted" />
        <input
          type="search"
          aria-label={t`Search conversations by title`}
          placeholder={t`Search`}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          className="h-9 w-full rounded border border-transparent bg-sunk pr-2 pl-9 text-sm pointer-coarse:text-[16px]"
        />
      </div>
      <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        {list.isPending ? <Skeleton lines={6} className="p-2" /> : null}
        {list.isError ? (
          <div role="alert" className="flex flex-col items-start gap-2 p-2 text-sm text-muted">
            {explain(list.error)}
            <Button small onClick={() => void list.refetch()}>
              <Trans>Try again</Trans>
            </Button>
          </div>
        ) : null}
        {list.isSuccess && rows.length === 0 ? (
          <p className="p-2 text-sm text-muted">
            {query ? (
              <Trans>No title contains this.</Trans>
            ) : (
              <Trans>Your conversations will be listed here.</Trans>
            )}
          </p>
        ) : null}
        <Virtualizer
          ref={virtualizer}
          scrollRef={scroller}
          as="ul"
          item="li"
          itemSize={36}
          onScroll={onScroll}
          data={rows}
        >
          {(row) =>
            row.kind === "day" ? (
              <DayHeading key={row.day} day={row.day} />
            ) : (
              <ConversationRow key={row.conversation.id} conversation={row.conversation} />
            )
          }
        </Virtualizer>
      </div>
    </section>
  );
}
