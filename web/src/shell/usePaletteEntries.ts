import { useLingui } from "@lingui/react/macro";
import { useNavigate } from "@tanstack/react-router";
import { Keyboard, type LucideIcon, MessageCircle, Moon, SquarePen, Sun } from "lucide-react";
import { useDeferredValue } from "react";

import { useChosenTheme } from "@/features/accounts/profile";
import { useConversations } from "@/features/conversations/queries";
import { date } from "@/i18n/format";
import { isDark } from "@/ui/theme";

import { usePages } from "./pages";
import { useWindows } from "./windows";

export interface Entry {
  id: string;
  icon: LucideIcon;
  name: string;
  note?: string | undefined;
  run: () => void;
}

const SHOWN = 30;

/** What the palette offers for a query: acts and pages that contain it, then conversations the server finds. */
export function usePaletteEntries(query: string): Entry[] {
  const { t, i18n } = useLingui();
  const navigate = useNavigate();
  const pages = usePages();
  const { theme, choose } = useChosenTheme();
  const open = useWindows((state) => state.open);
  const words = query.trim().toLowerCase();
  const { data } = useConversations(useDeferredValue(query.trim()));

  const dark = isDark(theme);
  const fixed: Entry[] = [
    { id: "new", icon: SquarePen, name: t`New chat`, run: () => void navigate({ to: "/" }) },
    ...pages.map(({ to, name, icon }) => ({
      id: to,
      icon,
      name: i18n._(name),
      run: () => void navigate({ to }),
    })),
    {
      id: "theme",
      icon: dark ? Sun : Moon,
      name: dark ? t`Light theme` : t`Dark theme`,
      run: () => choose(dark ? "light" : "dark"),
    },
    { id: "keys", icon: Keyboard, name: t`Keyboard shortcuts`, run: () => open("shortcuts") },
  ];
  const conversations = (data?.pages ?? []).flatMap((page) => page.conversations).slice(0, SHOWN);
  return [
    ...fixed.filter(({ name }) => name.toLowerCase().includes(words)),
    ...conversations.map(({ id, title, updated_at }) => ({
      id,
      icon: MessageCircle,
      name: title || t`New chat`,
      note: date(updated_at),
      run: () => void navigate({ to: "/c/$id", params: { id } }),
    })),
  ];
}
