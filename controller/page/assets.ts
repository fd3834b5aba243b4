// The files of the live page, as `npm run build` puts them next to the command → its routes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Route } from "../http/routes.ts";
import { PACKAGE_ROOT } from "../system/package-root.ts";

const DIRECTORY = join(PACKAGE_ROOT, "build/page");

const FILES: Readonly<Record<string, { path: string; type: string }>> = {
  "page.html": { path: "/", type: "text/html; charset=utf-8" },
  "page.css": { path: "/page.css", type: "text/css; charset=utf-8" },
  "page.js": { path: "/page.js", type: "text/javascript; charset=utf-8" },
  "icon.svg": { path: "/icon.svg", type: "image/svg+xml" },
};

/** Reads them once. Throws when one is missing. */
export function assetRoutes(): Record<string, Route> {
  const routes = Object.entries(FILES).map(([file, { path, type }]) => {
    const body = readAsset(join(DIRECTORY, file));
    return [path, () => ({ status: 200, type, body })] as const;
  });
  return Object.fromEntries(routes);
}

function readAsset(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`cannot read the live page's ${file}: ${reason}; run \`npm run build\``);
  }
}
