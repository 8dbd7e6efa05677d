import { lazy, Suspense, useState } from "react";

import type { DrawerPanelProps } from "./DrawerPanel";

const DrawerPanel = lazy(() => import("./DrawerPanel").then(({ DrawerPanel }) => ({ default: DrawerPanel })));

/** A panel at the side; what draws it is loaded when it is first opened. */
export function Drawer(props: DrawerPanelProps) {
  const [wanted, setWanted] = useState(props.open);
  if (props.open && !wanted) setWanted(true);
  return wanted ? (
    <Suspense>
      <DrawerPanel {...props} />
    </Suspense>
  ) : null;
}
