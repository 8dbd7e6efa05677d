import { useLingui } from "@lingui/react/macro";
import clsx from "clsx";

import { isLanguage, LANGUAGES, switchLanguage } from "@/i18n";
import { toastError } from "@/ui/toasts";

/** The page's languages, each named in itself. */
export function LanguageChoice() {
  const { t, i18n } = useLingui();
  return (
    <div role="group" aria-label={t`Language`} className="flex gap-1">
      {Object.entries(LANGUAGES).map(([language, name]) => (
        <button
          key={language}
          type="button"
          lang={language}
          aria-pressed={i18n.locale === language}
          className={clsx(
            "min-h-9 rounded px-3 text-sm hover:bg-hover",
            i18n.locale === language ? "font-semibold text-ink" : "text-muted",
          )}
          onClick={() => {
            if (isLanguage(language)) switchLanguage(language, true).catch(toastError);
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
