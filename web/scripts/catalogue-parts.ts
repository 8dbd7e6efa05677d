import { createCompiledCatalog, getCatalogForFile, getCatalogs } from "@lingui/cli/api";
import { getConfig } from "@lingui/conf";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Plugin } from "vite";

/** What is drawn before one leaves the chat: its texts come first, those of all other pages with the first of them. */
const FIRST = [
  "src/main.tsx",
  "src/shell/Frame.tsx",
  "src/features/chat/ChatPage.tsx",
  "src/features/chat/ConversationPage.tsx",
];
/** Whose `import(…)` leads to other pages. */
const ROUTER = "src/router.tsx";

const PART = /\.po\?(first|rest)$/;
const STATIC = /(?:\bfrom|^import)\s*"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** `x.po?first` and `x.po?rest`: a catalogue in two parts, so that nobody waits for texts of pages they do not see. */
export function catalogueParts(root: string): Plugin {
  const config = getConfig({ cwd: root });
  let first: Promise<ReadonlySet<string>> | undefined;
  let whole = false;

  async function firstIds(): Promise<ReadonlySet<string>> {
    const files = sourcesOf(root, FIRST);
    const [catalog] = await getCatalogs(config);
    const found = await catalog?.collect({ files });
    const ids = Object.keys(found ?? {});
    if (ids.length === 0) throw new Error("the texts of the first pages cannot be read");
    return new Set(ids);
  }

  return {
    name: "catalogue-parts",
    configResolved: ({ command, mode }) => {
      whole = command === "serve" && mode !== "test"; // sources change: all texts are in the first part
    },
    async load(id) {
      const part = PART.exec(id)?.[1];
      if (!part) return null;
      const path = id.replace(/\?.*$/, "");
      this.addWatchFile(path);
      const found = getCatalogForFile(relative(root, path), await getCatalogs(config));
      const { messages } = await found.catalog.getTranslations(found.locale, {
        fallbackLocales: {},
        sourceLocale: config.sourceLocale ?? "en",
      });
      const ids = whole ? new Set(Object.keys(messages)) : await (first ??= firstIds());
      const chosen = Object.entries(messages).filter(([key]) => ids.has(key) === (part === "first"));
      const { source, errors } = createCompiledCatalog(found.locale, Object.fromEntries(chosen), {
        namespace: "es",
      });
      if (errors.length > 0) throw new Error(errors.map(({ error }) => error.message).join("\n"));
      return { code: source, map: null, moduleType: "js" };
    },
  };
}

/** The sources that `entries` import, directly or not, as paths below `root`; pages behind the router are left out. */
export function sourcesOf(root: string, entries: readonly string[]): string[] {
  const seen = new Set<string>();
  const todo = [...entries];
  for (let file = todo.pop(); file; file = todo.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const code = readFileSync(join(root, file), "utf8");
    const patterns = file === ROUTER ? [STATIC] : [STATIC, DYNAMIC];
    for (const pattern of patterns) {
      for (const [, name = ""] of code.matchAll(pattern)) {
        const next = resolved(root, file, name);
        if (next) todo.push(next);
      }
    }
  }
  return [...seen];
}

/** The source that `name` means in `from`; undefined for packages, styles and catalogues. */
function resolved(root: string, from: string, name: string): string | undefined {
  const path = name.startsWith("@/") ? join("src", name.slice(2)) : join(dirname(from), name);
  if (!name.startsWith("@/") && !name.startsWith(".")) return undefined;
  return [".tsx", ".ts", "/index.tsx", "/index.ts"]
    .map((ending) => path + ending)
    .find((file) => existsSync(join(root, file)));
}
