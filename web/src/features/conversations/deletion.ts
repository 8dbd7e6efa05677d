import { t } from "@lingui/core/macro";
import { create } from "zustand";

import { under } from "@/api/base";
import { GUARD } from "@/api/client";
import { toastError, useToasts } from "@/ui/toasts";

import { deleteConversation } from "./queries";

const UNDO_MS = 6_000;

interface Deletions {
  /** Conversations that are hidden already but not yet deleted. */
  pending: ReadonlyMap<string, ReturnType<typeof setTimeout>>;
}

export const useDeletions = create<Deletions>()(() => ({ pending: new Map() }));

function forget(id: string): void {
  const pending = new Map(useDeletions.getState().pending);
  clearTimeout(pending.get(id));
  pending.delete(id);
  useDeletions.setState({ pending });
}

/** Delete a conversation, a few seconds from now unless it is undone. Closing the page does not undo it. */
export function deleteWithUndo(id: string, title: string): void {
  const timer = setTimeout(() => {
    deleteConversation(id)
      .catch(toastError)
      .finally(() => forget(id));
  }, UNDO_MS);
  useDeletions.setState(({ pending }) => ({ pending: new Map(pending).set(id, timer) }));
  useToasts
    .getState()
    .show(
      { text: t`Deleted “${title}”`, look: "plain", action: { label: t`Undo`, run: () => forget(id) } },
      UNDO_MS,
    );
}

/** Carry out all deletions that wait: their user is leaving. The requests outlive the page. */
export async function deleteNow(): Promise<void> {
  const ids = [...useDeletions.getState().pending.keys()];
  ids.forEach(forget);
  await Promise.allSettled(
    ids.map((id) =>
      fetch(under(`api/v1/conversations/${id}`), { method: "DELETE", headers: GUARD, keepalive: true }),
    ),
  );
}

window.addEventListener("pagehide", () => void deleteNow());
