import { Menu } from "@base-ui/react/menu";
import clsx from "clsx";
import { useRef } from "react";

import type { MenuProps } from "./Menu";

/** The menu itself; it is open when it is first drawn, since a click asked for it. */
export function MenuPopup({ trigger, entries, side = "bottom", align = "end" }: MenuProps) {
  const focusMoves = useRef(false);
  return (
    <Menu.Root defaultOpen>
      <Menu.Trigger render={trigger} />
      <Menu.Portal>
        <Menu.Positioner side={side} align={align} sideOffset={4} className="z-40 outline-none">
          <Menu.Popup
            className="floating min-w-44 p-1 outline-none"
            finalFocus={() => {
              // A window that an act has opened in the meantime keeps the focus.
              const back =
                !focusMoves.current && !document.querySelector("[role=dialog], [role=alertdialog]");
              focusMoves.current = false;
              return back;
            }}
          >
            {entries.map(({ id, name, icon, danger, movesFocus = false, run }) => (
              <Menu.Item
                key={id}
                onClick={() => {
                  focusMoves.current = movesFocus;
                  run();
                }}
                className={clsx(
                  "flex min-h-9 cursor-default items-center gap-3 rounded-sm px-3 text-sm outline-none select-none",
                  "data-highlighted:bg-hover",
                  danger && "text-danger",
                )}
              >
                {icon}
                {name}
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
