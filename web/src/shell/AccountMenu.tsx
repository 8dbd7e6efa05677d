import { useLingui } from "@lingui/react/macro";
import { useNavigate } from "@tanstack/react-router";
import { ChevronsUpDown, Keyboard, LogOut, Moon, Sun, UserRound } from "lucide-react";

import { useChosenTheme } from "@/features/accounts/profile";
import { signOut, useMe } from "@/features/accounts/session";
import { forgetDrafts } from "@/features/chat/drafts";
import { deleteNow } from "@/features/conversations/deletion";
import { Menu } from "@/ui/Menu";
import { isDark } from "@/ui/theme";
import { toastError } from "@/ui/toasts";

import { useWindows } from "./windows";

/** Who one is, and what concerns only oneself. */
export function AccountMenu() {
  const { t } = useLingui();
  const me = useMe();
  const navigate = useNavigate();
  const { open, close } = useWindows();
  const { theme, choose } = useChosenTheme();
  const dark = isDark(theme);
  const leave = () => {
    deleteNow()
      .then(signOut)
      .then(() => {
        close();
        forgetDrafts();
        return navigate({ to: "/login" });
      })
      .catch(toastError);
  };
  const trigger = (
    <button
      type="button"
      aria-label={t`Your account: ${me.display_name}`}
      className="flex min-h-10 w-full items-center gap-3 rounded px-2 text-sm hover:bg-hover data-popup-open:bg-hover"
    >
      <UserRound size={18} aria-hidden className="text-muted" />
      <span className="min-w-0 flex-1 truncate text-left">{me.display_name}</span>
      <ChevronsUpDown size={14} aria-hidden className="text-muted" />
    </button>
  );
  return (
    <div className="border-t border-line p-2">
      <Menu
        trigger={trigger}
        side="top"
        align="start"
        entries={[
          {
            id: "theme",
            icon: dark ? <Sun size={16} /> : <Moon size={16} />,
            name: dark ? t`Light theme` : t`Dark theme`,
            run: () => choose(dark ? "light" : "dark"),
          },
          {
            id: "keys",
            icon: <Keyboard size={16} />,
            name: t`Keyboard shortcuts`,
            run: () => open("shortcuts"),
          },
          { id: "out", icon: <LogOut size={16} />, name: t`Sign out`, run: leave },
        ]}
      />
    </div>
  );
}
