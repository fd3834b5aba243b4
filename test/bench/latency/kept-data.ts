// etcd's data with all objects of a cluster of some size, kept in the cache directory: to write
// 10,000 Services takes a minute or more, to begin with a copy a second. Kept for each size and
// each state of what makes the objects.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDirectory } from "../../../envoy/find.ts";

/** What decides which objects there are, and how etcd has them. */
const SOURCES = [
  "../synthetic-cluster.ts",
  "objects.ts",
  "moved.ts",
  "world.ts",
  "../../cluster/go.sum",
];

export class KeptData {
  readonly directory: string;
  readonly #size: string;

  constructor(services: number, endpoints: number) {
    const hash = createHash("sha256");
    for (const file of SOURCES) hash.update(readFileSync(join(import.meta.dirname, file)));
    this.#size = `cluster-${services}x${endpoints}-`;
    const name = `${this.#size}${hash.digest("hex").slice(0, 16)}`;
    this.directory = join(cacheDirectory(process.env), "bench", name);
  }

  get exists(): boolean {
    return existsSync(this.directory);
  }

  /** `save` writes into the folder that it gets. Removes what is kept of older states. */
  async keep(save: (directory: string) => Promise<void>): Promise<void> {
    const parent = dirname(this.directory);
    mkdirSync(parent, { recursive: true });
    const unfinished = `${this.directory}.${process.pid}`;
    try {
      await save(unfinished);
      for (const each of readdirSync(parent)) {
        const isOlder = each.startsWith(this.#size) && !each.includes(".");
        if (isOlder) rmSync(join(parent, each), { recursive: true, force: true });
      }
      renameSync(unfinished, this.directory);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
}
