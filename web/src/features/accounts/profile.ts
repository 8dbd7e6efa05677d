import { i18n } from "@lingui/core";

import type { Me } from "@/api/types";
import { isLanguage, switchLanguage } from "@/i18n";
import { THEMES, useTheme } from "@/ui/theme";

let applied = "";

/** Make the page look as its user wants it everywhere; once for each user, so that later choices here hold. */
export async function applyProfile({ id, language, theme }: Me): Promise<void> {
  if (applied === id) return;
  applied = id;
  if (isLanguage(language) && language !== i18n.locale) await switchLanguage(language, true);
  const wanted = THEMES.find((other) => other === theme);
  if (wanted && wanted !== useTheme.getState().theme) useTheme.getState().setTheme(wanted);
}
