import { Dialog } from "@base-ui/react/dialog";
import { useLingui } from "@lingui/react/macro";
import { useState } from "react";

import { SearchList } from "@/ui/SearchList";

import { usePaletteEntries } from "./usePaletteEntries";
import { useWindows } from "./windows";

/** Ctrl/Cmd-K: go anywhere, or do what is done everywhere. */
export function Palette() {
  const { t } = useLingui();
  const close = useWindows((state) => state.close);
  const [query, setQuery] = useState("");
  const entries = usePaletteEntries(query);
  return (
    <Dialog.Root open onOpenChange={(open) => !open && close()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop z-30" />
        <Dialog.Popup
          aria-label={t`Search and go to`}
          className="floating fixed top-[12dvh] left-1/2 z-30 flex max-h-[70dvh] w-[calc(100vw-32px)] max-w-lg -translate-x-1/2 flex-col overflow-hidden"
        >
          <SearchList
            label={t`Search and go to`}
            placeholder={t`Go to a conversation or page…`}
            query={query}
            onQuery={setQuery}
            items={entries}
            empty={t`Nothing found.`}
            onPick={({ run }) => {
              close();
              run();
            }}
          >
            {({ icon: Icon, name, note }) => (
              <>
                <Icon size={16} aria-hidden className="shrink-0 text-muted" />
                <span className="min-w-0 flex-1 truncate">{name}</span>
                {note ? <span className="shrink-0 text-xs text-muted">{note}</span> : null}
              </>
            )}
          </SearchList>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
