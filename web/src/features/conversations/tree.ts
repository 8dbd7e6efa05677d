/** What the tree needs to know of a message. */
export interface Node {
  id: string;
  parent_id: string | null;
}

/** A message on the way from the root to the chosen leaf, with its alternatives in order of age. */
export interface Step<M extends Node> {
  message: M;
  /** Ids of the messages with the same parent, this one included. */
  siblings: readonly string[];
  /** This one's place among them, from 0. */
  index: number;
}

/** Messages by parent, each list oldest first. Ids sort by time. */
function byParent<M extends Node>(messages: readonly M[]): Map<string | null, M[]> {
  const children = new Map<string | null, M[]>();
  for (const message of messages) {
    const list = children.get(message.parent_id);
    if (list) list.push(message);
    else children.set(message.parent_id, [message]);
  }
  for (const list of children.values()) list.sort((a, b) => (a.id < b.id ? -1 : 1));
  return children;
}

/**
 * The messages from the first to `leafId`, oldest first. An unknown or absent leaf means the newest branch.
 */
export function path<M extends Node>(messages: readonly M[], leafId: string | null): Step<M>[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const children = byParent(messages);
  const chosen = leafId === null ? undefined : byId.get(leafId);
  let current = chosen ?? byId.get(newestLeaf(messages, null) ?? "");
  const steps: Step<M>[] = [];
  while (current) {
    const siblings = (children.get(current.parent_id) ?? []).map(({ id }) => id);
    steps.push({ message: current, siblings, index: siblings.indexOf(current.id) });
    current = current.parent_id === null ? undefined : byId.get(current.parent_id);
  }
  return steps.reverse();
}

/** The leaf one reaches from `id` (null: from the root) by always taking the newest branch; null in an empty tree. */
export function newestLeaf(messages: readonly Node[], id: string | null): string | null {
  const children = byParent(messages);
  let current = id;
  for (;;) {
    const next = children.get(current)?.at(-1);
    if (!next) return current;
    current = next.id;
  }
}
