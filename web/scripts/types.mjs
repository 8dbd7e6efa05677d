// Writes src/api/schema.d.ts from the server's OpenAPI description; with --check, only says whether it is current.
//
// The description is read from INGLENOOK_OPENAPI, by default ../.make/openapi.json: `make types` writes it there with
// `python -m inglenook.openapi`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";

const source = process.env.INGLENOOK_OPENAPI ?? "../.make/openapi.json";
const target = "src/api/schema.d.ts";

if (!existsSync(source)) {
  console.error(`there is no ${source}: write it with \`python -m inglenook.openapi > FILE\``);
  process.exit(1);
}
const ast = await openapiTS(pathToFileURL(source), { alphabetize: true, defaultNonNullable: false });
const text = COMMENT_HEADER + astToString(ast);
if (!process.argv.includes("--check")) {
  writeFileSync(target, text);
} else if (!existsSync(target) || readFileSync(target, "utf8") !== text) {
  console.error(`${target} is not what ${source} says: run \`npm run types\` and commit it`);
  process.exit(1);
}
