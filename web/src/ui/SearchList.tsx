import clsx from "clsx";
import { type KeyboardEvent, type ReactNode, useId, useState } from "react";

import { isComposing } from "./keys";

export interface SearchListProps<T extends { id: string }> {
  label: string;
  placeholder: string;
  query: string;
  onQuery: (query: string) => void;
  items: readonly T[];
  onPick: (item: T) => void;
  children: (item: T) => ReactNode;
  empty: ReactNode;
  /** The item that is chosen now, if that means anything. */
  current?: string | null;
}

/** A search with its results below: arrows move, Enter picks. */
export function SearchList<T extends { id: string }>(props: SearchListProps<T>) {
  const { label, placeholder, query, onQuery, items, onPick, children, empty, current } = props;
  const id = useId();
  const [chosen, setChosen] = useState(0);
  const at = Math.min(chosen, items.length - 1);
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event)) return;
    const item = items[at];
    if (event.key === "ArrowDown") setChosen(Math.min(at + 1, items.length - 1));
    else if (event.key === "ArrowUp") setChosen(Math.max(at - 1, 0));
    else if (event.key === "Enter") {
      if (item) onPick(item);
    } else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        role="combobox"
        aria-expanded
        aria-autocomplete="list"
        aria-controls={`${id}-list`}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        aria-label={label}
        placeholder={placeholder}
        className="h-12 w-full shrink-0 border-b border-line bg-transparent px-4 outline-none pointer-coarse:text-[16px]"
        value={query}
        onChange={(event) => {
          onQuery(event.target.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={label} className="overflow-y-auto p-1">
        {items.map((item, index) => (
          <li
            key={item.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            aria-current={item.id === current || undefined}
            ref={index === at ? (element) => element?.scrollIntoView({ block: "nearest" }) : undefined}
            className={clsx(
              "flex min-h-10 cursor-default items-center gap-3 rounded-sm px-3 py-1",
              index === at && "bg-hover",
            )}
            onPointerMove={() => index !== at && setChosen(index)}
            onClick={() => onPick(item)}
          >
            {children(item)}
          </li>
        ))}
        {items.length === 0 ? <li className="px-3 py-2 text-muted">{empty}</li> : null}
      </ul>
    </>
  );
}
