// A run directory has room for two Envoys that Portico supervises, so that a new one can replace
// one that keeps its connections:
//
//    a/  b/                       the sockets, configuration, pid file and log of one each
//    table.sock → a/table.sock    and so for admin.sock, envoy.pid, envoy.log: which one gets what
//                                 is new; it is active
//    b/draining.json              b gets nothing new any more, and is ended at the time in it
//
// These files outlive the controller. The links change before the kernel's rules: a controller that
// starts in between hands over to the Envoy that should be active.

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

/** Returns "b" for "a", and "a" for "b". */
export function otherSlot(slot: Slot): Slot {
  return slot === "a" ? "b" : "a";
}

/** Returns the path of a slot's directory, whether that exists or not. */
export function slotDirectory(runDirectory: string, slot: Slot): string {
  return join(runDirectory, slot);
}

/** Returns the active slot; "a" where there has been none yet. */
export async function activeSlot(runDirectory: string): Promise<Slot> {
  const target = await readlink(join(runDirectory, TABLE_SOCKET)).catch(() => "");
  return target === `b/${TABLE_SOCKET}` ? "b" : "a";
}

/** Makes a slot the active one; repeated, it repairs missing links. */
export async function activateSlot(runDirectory: string, slot: Slot): Promise<void> {
  await forgetDraining(runDirectory, slot);
  for (const name of LINKED) {
    const link = join(runDirectory, name);
    await rm(`${link}.new`, { force: true });
    await symlink(`${slot}/${name}`, `${link}.new`);
    await rename(`${link}.new`, link);
  }
}

/** Makes the slot's directory, for the same users as the run directory. */
export async function makeSlot(runDirectory: string, slot: Slot): Promise<string> {
  const directory = slotDirectory(runDirectory, slot);
  const { mode } = await stat(runDirectory);
  await mkdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  // With the setgid bit: what is made in it gets the directory's group.
  await chmod(directory, mode & 0o7777);
  return directory;
}

/** Empties the slot of an Envoy that has ended. */
export async function emptySlot(runDirectory: string, slot: Slot): Promise<void> {
  await rm(slotDirectory(runDirectory, slot), { recursive: true, force: true });
}

/** Returns when to end the Envoy of this slot, in milliseconds since 1970; undefined: never. */
export async function drainingUntil(runDirectory: string, slot: Slot): Promise<number | undefined> {
  const file = join(slotDirectory(runDirectory, slot), DRAINING_FILE);
  try {
    return (JSON.parse(await readFile(file, "utf8")) as { until?: number }).until;
  } catch {
    return undefined;
  }
}

/** Removes the time at which the slot's Envoy will be ended; does nothing where there is none. */
export async function forgetDraining(runDirectory: string, slot: Slot): Promise<void> {
  await rm(join(slotDirectory(runDirectory, slot), DRAINING_FILE), { force: true });
}

/** Records when to end the slot's Envoy, in milliseconds since 1970; replaces an earlier time. */
export async function noteDraining(runDirectory: string, slot: Slot, until: number): Promise<void> {
  const file = join(slotDirectory(runDirectory, slot), DRAINING_FILE);
  await writeFile(`${file}.new`, JSON.stringify({ until }), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
