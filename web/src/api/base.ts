/** The path under which this page is served, with slashes at both ends: `/` or `/ai/`. The server writes `<base>`. */
export const BASE_PATH = new URL("./", document.baseURI).pathname;

/** An address below the base path. */
export function under(path: string): string {
  return BASE_PATH + path.replace(/^\//, "");
}
