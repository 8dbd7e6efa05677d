import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";
import { GripVertical } from "lucide-react";
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";

import { placeUnder, placeByKey } from "./places";

export interface SortableProps<T extends { id: string }> {
  items: readonly T[];
  label: string;
  nameOf: (item: T) => string;
  /** Move what is at `from` so that it is at `to` afterwards. */
  onMove: (from: number, to: number) => void;
  /** Draws an item with the handle it is moved by. */
  children: (item: T, handle: ReactNode, index: number) => ReactNode;
}

/** How near to the edge of what scrolls, in px, a pointer scrolls it on. */
const EDGE = 56;

/**
 * A list whose order people change: by dragging its handles with a mouse, a pen or a finger, or with the arrow keys on
 * them. The list is in the new order as soon as something is over its new place; Escape puts it back.
 */
export function Sortable<T extends { id: string }>(props: SortableProps<T>) {
  const { items, label, nameOf, onMove, children } = props;
  const { t } = useLingui();
  const hint = useId();
  const list = useRef<HTMLOListElement>(null);
  const [held, setHeld] = useState<{ id: string; start: number } | null>(null);
  const [said, setSaid] = useState("");

  const move = (id: string, to: number) => {
    const from = items.findIndex((item) => item.id === id);
    const item = items[from];
    if (!item || to === from) return;
    onMove(from, to);
    const name = nameOf(item);
    setSaid(t`${name}: place ${to + 1} of ${items.length}`);
  };
  const pick = (event: PointerEvent, id: string) => {
    if (event.button !== 0) return;
    // The list, not the handle: what is captured by an element that moves in the page is let go.
    list.current?.setPointerCapture(event.pointerId);
    setHeld({ id, start: items.findIndex((item) => item.id === id) });
  };
  const drag = (event: PointerEvent) => {
    if (!held || !list.current) return;
    const from = items.findIndex((item) => item.id === held.id);
    const boxes = [...list.current.children].map((child) => child.getBoundingClientRect());
    move(held.id, placeUnder(event.clientY, boxes, from));
    scrollAtEdge(list.current, event.clientY);
  };
  const drop = () => setHeld(null);
  const onKey = (event: KeyboardEvent, id: string, index: number) => {
    const to = placeByKey(event.key, index, items.length);
    if (to === null) return;
    event.preventDefault();
    move(id, to);
  };
  useEffect(() => {
    if (!held) return;
    const cancel = (event: globalThis.KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      move(held.id, held.start);
      setHeld(null);
    };
    window.addEventListener("keydown", cancel, true);
    return () => window.removeEventListener("keydown", cancel, true);
  });
  return (
    <>
      <ol
        ref={list}
        aria-label={label}
        className="divide-y divide-line border-y border-line"
        onPointerMove={drag}
        onPointerUp={drop}
        onPointerCancel={drop}
        onLostPointerCapture={drop}
      >
        {items.map((item, index) => (
          <li
            key={item.id}
            className={clsx(
              "bg-paper",
              item.id === held?.id && "relative z-10 rounded bg-raised shadow-float",
            )}
          >
            {children(
              item,
              <button
                type="button"
                data-handle
                aria-label={t`Move ${nameOf(item)}, ${index + 1} of ${items.length}`}
                aria-describedby={hint}
                className="inline-flex size-8 shrink-0 cursor-grab touch-none items-center justify-center rounded text-muted hover:bg-hover hover:text-ink active:cursor-grabbing pointer-coarse:size-10"
                onPointerDown={(event) => pick(event, item.id)}
                onKeyDown={(event) => onKey(event, item.id, index)}
              >
                <GripVertical size={16} aria-hidden />
              </button>,
              index,
            )}
          </li>
        ))}
      </ol>
      <p id={hint} className="sr-only">
        {t`Drag it, or press the up and down arrow keys.`}
      </p>
      <p role="status" className="sr-only">
        {said}
      </p>
    </>
  );
}

function scrollAtEdge(element: HTMLElement, y: number) {
  let scroller: HTMLElement | null = element.parentElement;
  while (scroller && scroller.scrollHeight <= scroller.clientHeight) scroller = scroller.parentElement;
  if (!scroller) return;
  const { top, bottom } = scroller.getBoundingClientRect();
  if (y < top + EDGE) scroller.scrollBy(0, -12);
  else if (y > bottom - EDGE) scroller.scrollBy(0, 12);
}
