import { lingui } from "@lingui/vite-plugin";
import { fileURLToPath } from "node:url";

import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { baseOfDevServer, compressed, woff2Only } from "./scripts/vite-plugins.ts";

const server = process.env.INGLENOOK_SERVER ?? "http://127.0.0.1:8642";

export default defineConfig({
  // Asset addresses are relative to the page's <base>, which the server writes: one build fits every base path.
  base: "./",
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  plugins: [
    react({ babel: { plugins: ["@lingui/babel-plugin-lingui-macro"] } }),
    lingui(),
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
  },
  server: { proxy: { "/api": server } },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
