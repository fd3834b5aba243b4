// The file in which one controller leaves its slots of functions to the next.

import { readFile, rename, writeFile } from "node:fs/promises";
import type { StoredSlots } from "./function-slots.ts";

/** Replaces the whole file, or leaves it as it was. */
export async function saveSlots(path: string, slots: StoredSlots): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(slots), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Returns none where there is no file, or none that can be read: slots then start again. */
export async function readSlots(path: string): Promise<StoredSlots> {
  try {
    const stored = JSON.parse(await readFile(path, "utf8")) as Partial<StoredSlots>;
    if (Array.isArray(stored.slots) && Number.isSafeInteger(stored.next))
      return stored as StoredSlots;
  } catch {
    // As after the first start.
  }
  return { next: 0, slots: [] };
}
