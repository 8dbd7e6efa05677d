// Fails when a catalogue lacks a message of the sources, keeps one that is gone, or leaves one untranslated.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const files = ["en", "zh-CN"].map((locale) => `src/i18n/locales/${locale}.po`);
const withoutDates = (text) => text.replace(/^"POT-Creation-Date:.*\n/m, "");
const before = files.map((file) => readFileSync(file, "utf8"));
execFileSync("npx", ["lingui", "extract", "--clean"], { stdio: "pipe" });
const problems = [];
for (const [index, file] of files.entries()) {
  const after = readFileSync(file, "utf8");
  writeFileSync(file, before[index]);
  if (withoutDates(after) !== withoutDates(before[index]))
    problems.push(`${file} is out of date: run \`npm run i18n\``);
  const missing = after
    .split("\n\n")
    .slice(1)
    .filter((entry) => /\nmsgstr ""\s*$/.test(entry));
  if (file.includes("zh-CN") && missing.length > 0)
    problems.push(`${file} has ${missing.length} untranslated messages:\n${missing.join("\n\n")}`);
}
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
