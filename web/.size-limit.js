import { existsSync, readFileSync } from "node:fs";

/** Chunks beyond the entry that the browser loads before one can sign in: the language. */
const DOOR = ["src/i18n/locales/zh-CN.po?first"];
/** Those it loads before a conversation can be read: frame, page, Markdown, language. */
const FIRST_SCREEN = [
  "src/shell/Frame.tsx",
  "src/features/chat/ChatPage.tsx",
  "src/features/chat/ConversationPage.tsx",
  "src/i18n/locales/zh-CN.po?first",
];

const root = "../inglenook/static/";
if (!existsSync(`${root}.vite/manifest.json`))
  throw new Error("nothing is built yet: run `npm run build` first");
const manifest = JSON.parse(readFileSync(`${root}.vite/manifest.json`, "utf8"));

function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, seen);
  return seen;
}

function files(keys) {
  const loaded = new Set(closure("index.html"));
  for (const key of keys) {
    if (!manifest[key]) throw new Error(`${key} is no chunk any more: say here what the page loads`);
    for (const next of closure(key)) loaded.add(next);
  }
  return [...loaded].map((key) => root + manifest[key].file).filter((file) => file.endsWith(".js"));
}

export default [
  {
    name: "First screen of the chat page (JavaScript, gzip)",
    path: files(FIRST_SCREEN),
    gzip: true,
    limit: "220 kB",
  },
  { name: "The page to sign in (JavaScript, gzip)", path: files(DOOR), gzip: true, limit: "130 kB" },
];
