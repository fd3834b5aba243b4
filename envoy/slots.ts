// A run directory has room for two Envoys that Portico supervises, so that a new one can take the
// place of one that goes on with its connections:
//
//    a/  b/                       the sockets, configuration, pid file and log of one each
//    table.sock → a/table.sock    and so for admin.sock, envoy.pid, envoy.log: which one gets what
//                                 is new; it is active
//    b/draining.json              b gets nothing new any more, and is ended at the time in it
//
// What is here outlives the controller. The links are changed before the kernel's rules are: a
// controller that starts in between hands over to the Envoy that was to be active.

import {
  chmod,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { ADMIN_SOCKET, TABLE_SOCKET } from "./bootstrap.ts";
import { LOG_FILE, PID_FILE } from "./process.ts";

export type Slot = "a" | "b";

export const SLOTS: readonly Slot[] = ["a", "b"];

/** The first says which slot is active. */
const LINKED = [TABLE_SOCKET, ADMIN_SOCKET, PID_FILE, LOG_FILE];
const DRAINING_FILE = "draining.json";

export function otherSlot(slot: Slot): Slot {
  return slot === "a" ? "b" : "a";
}

export function slotDirectory(runDirectory: string, slot: Slot): string {
  return join(runDirectory, slot);
}

/** "a" where there has been none yet. */
export async function activeSlot(runDirectory: string): Promise<Slot> {
  const target = await readlink(join(runDirectory, TABLE_SOCKET)).catch(() => "");
  return target === `b/${TABLE_SOCKET}` ? "b" : "a";
}

/** Makes a slot the active one; the same again mends links that are missing. */
export async function activateSlot(runDirectory: string, slot: Slot): Promise<void> {
  await forgetDraining(runDirectory, slot);
  for (const name of LINKED) {
    const link = join(runDirectory, name);
    await rm(`${link}.new`, { force: true });
    await symlink(`${slot}/${name}`, `${link}.new`);
    await rename(`${link}.new`, link);
  }
}

/** For the same users as the run directory. */
export async function makeSlot(runDirectory: string, slot: Slot): Promise<string> {
  const directory = slotDirectory(runDirectory, slot);
  const { mode } = await stat(runDirectory);
  await mkdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  // With the bit that has the group of what is made in it be the directory's.
  await chmod(directory, mode & 0o7777);
  return directory;
}

/** For an Envoy that has ended. */
export async function emptySlot(runDirectory: string, slot: Slot): Promise<void> {
  await rm(slotDirectory(runDirectory, slot), { recursive: true, force: true });
}

/** Milliseconds since 1970 at which the Envoy of this slot is ended; undefined: it is not to be. */
export async function drainingUntil(runDirectory: string, slot: Slot): Promise<number | undefined> {
  const file = join(slotDirectory(runDirectory, slot), DRAINING_FILE);
  try {
    return (JSON.parse(await readFile(file, "utf8")) as { until?: number }).until;
  } catch {
    return undefined;
  }
}

export async function forgetDraining(runDirectory: string, slot: Slot): Promise<void> {
  await rm(join(slotDirectory(runDirectory, slot), DRAINING_FILE), { force: true });
}

export async function noteDraining(runDirectory: string, slot: Slot, until: number): Promise<void> {
  const file = join(slotDirectory(runDirectory, slot), DRAINING_FILE);
  await writeFile(`${file}.new`, JSON.stringify({ until }), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
