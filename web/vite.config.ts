import { lingui } from "@lingui/vite-plugin";
import { fileURLToPath } from "node:url";

import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { catalogueParts } from "./scripts/catalogue-parts.ts";
import { baseOfDevServer, compressed, woff2Only } from "./scripts/vite-plugins.ts";

const server = process.env.INGLENOOK_SERVER ?? "http://127.0.0.1:8642";

/** What is loaded together, first match first; the rest is split by page. */
const CHUNKS = [
  // The door, and what every page needs.
  { name: "core", tags: ["$initial" as const], priority: 3 },
  // What several pages share. Windows, and the chat with its Markdown, are large and not for all.
  {
    name: "common",
    test: /lucide-react|[\\/]src[\\/](?!features[\\/](?:chat|accounts|usage|routes)|ui[\\/](?:Dialog|Confirm|DrawerPanel|MenuPopup))/,
    minShareCount: 2,
    priority: 2,
  },
  // What the pages of settings and administration share, and the chat does not.
  {
    name: "desk",
    test: /[\\/]src[\\/]features[\\/](?:accounts|usage|routes)[\\/]/,
    minShareCount: 2,
    priority: 1.5,
  },
  // Menus, dialogs and popovers come with the first one that is opened.
  { name: "windows", test: /@base-ui|@floating-ui|[\\/]src[\\/]ui[\\/]/, priority: 1 },
];

export default defineConfig({
  // Asset addresses are relative to the page's <base>, which the server writes: one build fits every base path.
  base: "./",
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  plugins: [
    react({ babel: { plugins: ["@lingui/babel-plugin-lingui-macro"] } }),
    lingui(),
    catalogueParts(import.meta.dirname),
    tailwindcss(),
    woff2Only(),
    baseOfDevServer(),
    compressed(),
  ],
  build: {
    outDir: "../inglenook/static",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    chunkSizeWarningLimit: 600,
    modulePreload: { polyfill: false },
    // A strict Content-Security-Policy forbids data: scripts and wants fonts as files.
    assetsInlineLimit: 0,
    // Few files: each costs a request, and a browser asks for six at a time.
    rolldownOptions: { output: { codeSplitting: { groups: CHUNKS } } },
  },
  server: { proxy: { "/api": server } },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
