// portico cleanup: this node as if Portico had never been there.

import { readdir, rm, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { endEnvoy, livingEnvoy } from "../../envoy/process.ts";
import { emptySlot, SLOTS, slotDirectory } from "../../envoy/slots.ts";
import { KernelCapture } from "../capture/apply.ts";
import { restoreEarlyDemux } from "../capture/early-demux.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { durationMs } from "../config/flag-values.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { capturedFamilies } from "../system/ip-families.ts";
import { lockNode } from "../system/node-lock.ts";
import { adminSocketsIn, drained } from "./drain.ts";
import { earlyDemuxOption } from "./early-demux-option.ts";

/** The name that another command prints when it finds the node locked. */
const CLEANUP = "portico cleanup";

/** Everything that Portico and its Envoy put into a run directory. */
const RUN_FILES =
  /^(envoy|plugin)\.[a-z.]+$|^(table|admin|xds|control|page)\.sock(\.new)?$|^portico-nft(\.\d+)?$/;

/** Returns the command `portico cleanup`, which fails while a controller runs on this node. */
export function cleanupCommand(): Command {
  return new Command("cleanup")
    .summary("remove Portico's rules, routes and files from this node")
    .description(
      "remove all kernel rules, routes and sets of Portico from this node, stop the Envoy that " +
        "it started, and empty its run directory.\n" +
        "Stop portico run first. Leaves everything else untouched; safe to repeat. The conntrack " +
        "sysctls that run has set stay, as kube-proxy leaves its own. Services stop working on " +
        "this node unless another proxy serves them; connections through Envoy are closed.\n" +
        "With --drain, a proxy that is ready (kube-proxy) gets all new connections at once, and " +
        "connections through Envoy get time to end. Draining is complete when none is left and " +
        "the kernel has forgotten the UDP flows (nf_conntrack_udp_timeout_stream, 120 s).",
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .option("--drain <duration>", "maximum time to drain; 0s: do not wait", durationMs, 0)
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
  const unlock = await lockNode(`pid ${process.pid}, ${CLEANUP}`, refusedBy);
  try {
    const options = { ...DEFAULT_CAPTURE_OPTIONS, families: capturedFamilies() };
    const capture = new KernelCapture(options);
    if (drain > 0 && (await capture.release())) await drainEnvoy(runDir, drain);
    // The rules first: while they hand connections over, Envoy must be there.
    const { removed, problems } = await capture.cleanup();
    removed.push(...(await removeEnvoy(runDir)));
    removed.push(...(await restoreEarlyDemux(runPaths(runDir).earlyDemux, tcpEarlyDemuxFile)));
    removed.push(...(await removeFiles(runDir)));
    for (const each of removed) process.stdout.write(`removed ${each}\n`);
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join("\n"));
    if (removed.length === 0) process.stdout.write("found nothing of Portico on this node\n");
  } finally {
    unlock();
  }
}

/** `holder`: what the process that has locked the node says, its process id first. */
export function refusedBy(holder: string): string {
  return holder.endsWith(CLEANUP)
    ? `another portico cleanup runs on this node (${holder}); wait until it ends`
    : `portico run is still running on this node (${holder}); stop it, then repeat portico cleanup`;
}

async function drainEnvoy(runDir: string, limitMs: number): Promise<void> {
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  tell("capturing stopped; waiting for connections through Envoy to end");
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

/** Something else is in the folder, or it is a mount, as in a read-only container. */
const STAYS: readonly string[] = ["ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY", "EROFS"];

/** Leaves the folder itself when something else is in it, and where it is a mount. */
async function removeFiles(runDir: string): Promise<string[]> {
  const names = await readdir(runDir).catch(() => []);
  const ours = names.filter((name) => RUN_FILES.test(name));
  for (const name of ours) await rm(join(runDir, name), { force: true });
  await rmdir(runDir).catch((error: NodeJS.ErrnoException) => {
    if (!STAYS.includes(error.code ?? "")) throw error;
  });
  return ours.map((name) => join(runDir, name));
}
