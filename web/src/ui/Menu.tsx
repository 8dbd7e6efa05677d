import { cloneElement, lazy, type ReactElement, type ReactNode, Suspense, useState } from "react";

const MenuPopup = lazy(() => import("./MenuPopup").then(({ MenuPopup }) => ({ default: MenuPopup })));

export interface MenuEntry {
  id: string;
  name: ReactNode;
  icon?: ReactNode;
  danger?: boolean;
  /** It shows something in place of the menu's button, and the focus goes there. */
  movesFocus?: boolean;
  run: () => void;
}

export interface MenuProps {
  /** A button; it must pass its props on. */
  trigger: ReactElement<{ onClick?: () => void; "aria-haspopup"?: "menu" }>;
  entries: readonly MenuEntry[];
  side?: "top" | "bottom";
  align?: "start" | "end";
}

/** A list of acts that opens from a button. What draws it is loaded when it is first wanted. */
export function Menu({ trigger, ...rest }: MenuProps) {
  const [wanted, setWanted] = useState(false);
  if (!wanted) return cloneElement(trigger, { onClick: () => setWanted(true), "aria-haspopup": "menu" });
  return (
    <Suspense fallback={trigger}>
      <MenuPopup trigger={trigger} {...rest} />
    </Suspense>
  );
}
