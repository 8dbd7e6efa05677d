import { useLingui } from "@lingui/react/macro";
import { PanelLeft } from "lucide-react";

import { IconButton } from "@/ui/IconButton";

import { useWindows } from "./windows";

/** Opens the navigation where there is no room for it. */
export function MenuButton() {
  const { t } = useLingui();
  const open = useWindows((state) => state.open);
  return (
    <IconButton
      className="-ml-2 md:hidden"
      tip="start"
      label={t`Open navigation`}
      icon={<PanelLeft size={20} />}
      onClick={() => open("sidebar")}
    />
  );
}
