import { i18n, type Messages } from "@lingui/core";

/** Languages with a catalogue, each named in itself. */
export const LANGUAGES = { en: "English", "zh-CN": "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

const STORAGE_KEY = "inglenook.language";

/** A part of a catalogue: `first` for what is drawn first, `rest` for all other pages (`scripts/catalogue-parts.ts`). */
type Part = () => Promise<{ messages: Messages }>;

const catalogues: Record<Language, { first: Part; rest: Part }> = {
  en: { first: () => import("./locales/en.po?first"), rest: () => import("./locales/en.po?rest") },
  "zh-CN": { first: () => import("./locales/zh-CN.po?first"), rest: () => import("./locales/zh-CN.po?rest") },
};

/** The language that was asked for last, and whether a page needed more than its first part. */
let latest: Language = "en";
let wantsRest = false;

export function isLanguage(value: unknown): value is Language {
  return typeof value === "string" && value in LANGUAGES;
}

/** The language chosen earlier in this browser, else the best one of those the browser asks for. */
export function preferredLanguage(wanted: readonly string[] = navigator.languages): Language {
  const chosen = read();
  if (chosen) return chosen;
  for (const tag of wanted) {
    if (/^zh\b/i.test(tag)) return "zh-CN";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

function read(): Language | null {
  try {
    const value = localStorage.getItem(STORAGE_KEY);
    return isLanguage(value) ? value : null;
  } catch {
    return null;
  }
}

/** Switch the page to a language; `remember` keeps it for this browser. */
export async function switchLanguage(language: Language, remember = false): Promise<void> {
  latest = language;
  await load(language, "first");
  if (wantsRest) await load(language, "rest");
  i18n.activate(language);
  document.documentElement.lang = language;
  if (remember) {
    try {
      localStorage.setItem(STORAGE_KEY, language);
    } catch {
      // Storage is off: the choice lasts as long as the page.
    }
  }
}

/** Have the texts of all pages, not only of those that are drawn first. */
export async function loadAllTexts(): Promise<void> {
  wantsRest = true;
  await load(latest, "rest");
}

async function load(language: Language, part: keyof (typeof catalogues)[Language]): Promise<void> {
  const { messages } = await catalogues[language][part]();
  i18n.load(language, messages);
}
