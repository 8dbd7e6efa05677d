import { i18n } from "@lingui/core";

import type { Me } from "@/api/types";
import { isLanguage, switchLanguage } from "@/i18n";
import { type Theme, THEMES, useTheme } from "@/ui/theme";
import { toastError } from "@/ui/toasts";

import { useChangeMe } from "./session";

let applied = "";

/** Make the page look as its user wants it everywhere; once for each user, so that later choices here hold. */
export async function applyProfile({ id, language, theme }: Me): Promise<void> {
  if (applied === id) return;
  applied = id;
  if (isLanguage(language) && language !== i18n.locale) await switchLanguage(language, true);
  const wanted = THEMES.find((other) => other === theme);
  if (wanted && wanted !== useTheme.getState().theme) useTheme.getState().setTheme(wanted);
}

/** The page's theme and how to choose another: here at once, and in one's other browsers. */
export function useChosenTheme(): { theme: Theme; choose: (theme: Theme) => void } {
  const { theme, setTheme } = useTheme();
  const change = useChangeMe();
  const choose = (next: Theme) => {
    setTheme(next);
    change.mutate({ theme: next }, { onError: toastError });
  };
  return { theme, choose };
}
