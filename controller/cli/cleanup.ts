// portico cleanup: this node as if Portico had never been there.

import { readdir, rm, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { endEnvoy, livingEnvoy } from "../../envoy/process.ts";
import { emptySlot, SLOTS, slotDirectory } from "../../envoy/slots.ts";
import { KernelCapture } from "../capture/apply.ts";
import { restoreEarlyDemux } from "../capture/early-demux.ts";
import { capturedFamilies } from "../capture/kernel-settings.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { DEFAULT_RUN_DIR, durationMs, runPaths } from "../config.ts";
import { lockNode } from "../daemon/node-lock.ts";
import { adminSocketsIn, drained } from "./drain.ts";
import { earlyDemuxOption } from "./early-demux-option.ts";

/** All that Portico and its Envoy put into a run directory. */
const RUN_FILES =
  /^(envoy|plugin)\.[a-z.]+$|^(table|admin|xds|control|page)\.sock(\.new)?$|^portico-nft(\.\d+)?$/;

export function cleanupCommand(): Command {
  return new Command("cleanup")
    .description(
      "remove every kernel rule, route and set of Portico's from this node, end the Envoy that " +
        "it started, and empty its run directory.\n" +
        "Nothing else's is touched, and doing it twice is fine. Services stop working on this " +
        "node unless something else serves them; connections through Envoy end.\n" +
        "With --drain, a proxy that stands ready (kube-proxy) gets all new connections at once, " +
        "and those through Envoy have time to end: it is over when none is left and the kernel " +
        "has forgotten the UDP flows (nf_conntrack_udp_timeout_stream, 120 s).",
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .option("--drain <duration>", "at most this long; 0s: do not wait", durationMs, 0)
    .addOption(earlyDemuxOption())
    .action(cleanUp);
}

interface Flags {
  runDir: string;
  /** In milliseconds. */
  drain: number;
  tcpEarlyDemuxFile: string;
}

async function cleanUp({ runDir, drain, tcpEarlyDemuxFile }: Flags): Promise<void> {
  const unlock = await lockNode(`pid ${process.pid}, portico cleanup`);
  try {
    const options = { ...DEFAULT_CAPTURE_OPTIONS, families: capturedFamilies() };
    const capture = new KernelCapture(options);
    if (drain > 0 && (await capture.release())) await drainEnvoy(runDir, drain);
    // The rules first: as long as they hand connections over, somebody has to be there.
    const { removed, problems } = await capture.cleanup();
    removed.push(...(await removeEnvoy(runDir)));
    removed.push(...(await restoreEarlyDemux(runPaths(runDir).earlyDemux, tcpEarlyDemuxFile)));
    removed.push(...(await removeFiles(runDir)));
    for (const each of removed) process.stdout.write(`removed ${each}\n`);
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join("\n"));
    if (removed.length === 0) process.stdout.write("nothing of Portico's is here\n");
  } finally {
    unlock();
  }
}

async function drainEnvoy(runDir: string, limitMs: number): Promise<void> {
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  tell("nothing is captured any more; waiting for what goes through Envoy");
  await drained({ limitMs, adminSockets: await adminSocketsIn(runDir), tell });
}

async function removeEnvoy(runDir: string): Promise<string[]> {
  const removed: string[] = [];
  for (const slot of SLOTS) {
    const directory = slotDirectory(resolve(runDir), slot);
    const pid = await livingEnvoy(directory);
    await endEnvoy(directory);
    await emptySlot(resolve(runDir), slot);
    if (pid !== undefined) removed.push(`Envoy (pid ${pid})`);
  }
  return removed;
}

/** Something else is in the folder, or it is a mount of its own, as in a read-only container. */
const STAYS: readonly string[] = ["ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY", "EROFS"];

/** The folder itself stays when something else is in it, and where it is a mount of its own. */
async function removeFiles(runDir: string): Promise<string[]> {
  const names = await readdir(runDir).catch(() => []);
  const ours = names.filter((name) => RUN_FILES.test(name));
  for (const name of ours) await rm(join(runDir, name), { force: true });
  await rmdir(runDir).catch((error: NodeJS.ErrnoException) => {
    if (!STAYS.includes(error.code ?? "")) throw error;
  });
  return ours.map((name) => join(runDir, name));
}
