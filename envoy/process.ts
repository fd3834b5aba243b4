// One Envoy process of one run directory: starts it so that it outlives this process, finds it
// again, ends it. supervise.ts keeps one alive.

import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { localPorts, portCount } from "../controller/system/local-ports.ts";
import { unlessShort } from "../controller/system/shortage.ts";
import { socketModeIn } from "../controller/system/unix-socket.ts";
import { ADMIN_SOCKET, bootstrap, TABLE_SOCKET } from "./bootstrap.ts";
import { connectionsFor, connectionsOfThisProcess } from "./connection-limit.ts";

export interface EnvoyOptions {
  /** An existing directory. */
  runDirectory: string;
  nodeId: string;
  /** Path of the binary (find.ts). */
  binary: string;
  /** Worker threads; undefined: one per CPU. */
  concurrency: number | undefined;
  /** Words before the command, such as those to enter a network namespace; they must exec. */
  launcher?: readonly string[];
  /** How it ended: "exit code 1", "signal SIGSEGV". Only its parent learns this. */
  onExit?: (how: string) => void;
}

export const LOG_FILE = "envoy.log";
const CONFIGURATION_FILE = "envoy.json";
export const PID_FILE = "envoy.pid";

/**
 * Every connection takes two descriptors. Takes as many as the kernel gives without more
 * privileges: a container may lack CAP_SYS_RESOURCE, and then the hard limit is the limit.
 */
const RAISE_DESCRIPTOR_LIMIT = [
  "hard=$(ulimit -H -n)",
  'if [ "$hard" != unlimited ] && [ "$hard" -lt 1048576 ]; then ulimit -n 1048576 2>/dev/null; fi',
  'ulimit -S -n "$(ulimit -H -n)"',
].join("\n");

/** An image may lack it; see startEnvoy. */
const SHELL = "/bin/sh";

/** The pid file exists before Envoy runs, so that no Envoy is ever without one. */
const START = [
  RAISE_DESCRIPTOR_LIMIT,
  'pid_file=$1; echo $$ > "$pid_file.new" && mv "$pid_file.new" "$pid_file" || exit 1',
  'shift; exec "$@"',
].join("\n");

/**
 * A removed UDP listener keeps its sockets this long without reading them, and slows down the
 * making of others. A TCP listener would end its connections then, so those of an Envoy are never
 * changed or removed (controller/xds/kept-listeners.ts).
 */
const DRAIN_SECONDS = 1;

/** For every Envoy of Portico, whatever starts it. */
export const ENVOY_FLAGS: readonly string[] = [
  // Several Envoys on a machine would conflict in the shared memory of hot restart.
  "--disable-hot-restart",
  ...["--log-level", "warn"],
  // "misc" warns of a field of every UDP listener that is "work in progress", each time one is
  // made; "config" of each try to reach a controller that is down, which would be 70 MB a day.
  // Envoy reports refused configuration to the controller, which logs it.
  ...["--component-log-level", "misc:error,config:error"],
  ...["--drain-time-s", String(DRAIN_SECONDS)],
];

/**
 * The same for its environment. libevent collects what is asked of epoll, and makes one system call
 * of all that concerns a descriptor until the next wait: a connection costs 12 of them otherwise. A
 * process that duplicates descriptors may not have this; Portico's Envoy duplicates none (decision
 * 0058). An executable with file capabilities ignores it.
 */
export const ENVOY_ENVIRONMENT: Readonly<Record<string, string>> = {
  EVENT_EPOLL_USE_CHANGELIST: "1",
};

const STOP_GRACE_MS = 5_000;
const STOP_POLL_MS = 20;

/** Returns the pid of the Envoy of this run directory; undefined when none is alive. */
export async function livingEnvoy(runDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(runDirectory, PID_FILE), "utf8").catch(unlessShort(""));
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return (await isEnvoyOf(runDirectory, pid)) ? pid : undefined;
}

/**
 * Rejects when it cannot be determined. A pid may have been reused; a dead child that no process
 * waited for has no cmdline.
 */
export async function isEnvoyOf(runDirectory: string, pid: number): Promise<boolean> {
  return argumentsOf(pid).includes(join(runDirectory, CONFIGURATION_FILE));
}

/**
 * Starts an Envoy that survives when this process is killed; its log goes to LOG_FILE. In an image
 * without a shell this process writes the pid file itself, a moment later: there it is the
 * container's first process, and if it were killed in between, Envoy would end with the container.
 */
export async function startEnvoy(options: EnvoyOptions): Promise<number> {
  const { runDirectory, launcher = [] } = options;
  const file = join(runDirectory, CONFIGURATION_FILE);
  const text = await configurationOf(options);
  await writeFile(file, text, { mode: 0o600 }).catch((error: Error) => {
    // The system's error for a full disk names no file.
    throw new Error(`cannot start Envoy: ${file}: ${error.message}`);
  });
  const pidFile = join(runDirectory, PID_FILE);
  const shell = existsSync(SHELL) ? [SHELL, "-c", START, "envoy", pidFile] : [];
  const command = [...launcher, ...shell, ...commandOf(options, file)];
  // Not a pipe to this process: Envoy must be able to write after its end.
  const log = await open(join(runDirectory, LOG_FILE), "a", 0o600);
  try {
    const pid = await spawnDetached(command, log.fd, options.onExit);
    if (shell.length === 0) await writeFile(pidFile, `${pid}\n`);
    return pid;
  } finally {
    await log.close();
  }
}

async function configurationOf({ runDirectory, nodeId }: EnvoyOptions): Promise<string> {
  const maxConnections = await connectionLimit();
  const socketMode = await socketModeIn(runDirectory);
  const configuration = bootstrap({ runDirectory, nodeId, maxConnections, socketMode });
  return `${JSON.stringify(configuration, undefined, 2)}\n`;
}

/**
 * Returns how the start of the running Envoy of this run directory differs from what startEnvoy
 * would do now, except for its binary: for operators, empty if nothing differs.
 */
export async function startedOtherwise(options: EnvoyOptions, pid: number): Promise<string[]> {
  const file = join(options.runDirectory, CONFIGURATION_FILE);
  const [, ...present] = argumentsOf(pid);
  const [, ...wanted] = commandOf(options, file);
  const configuration = await readFile(file, "utf8").catch(unlessShort(""));
  const found: string[] = [];
  if (present.join(" ") !== wanted.join(" ")) {
    found.push(`its flags are ${present.join(" ")}, and should be ${wanted.join(" ")}`);
  }
  if (configuration !== (await configurationOf(options))) {
    found.push(`its bootstrap, ${file}, is not what this version of Portico writes`);
  }
  const environment = await environmentOf(pid);
  const lacking = Object.entries(ENVOY_ENVIRONMENT)
    .map((entry) => entry.join("="))
    .filter((variable) => environment?.includes(variable) === false);
  if (lacking.length > 0) found.push(`its environment lacks ${lacking.join(" ")}`);
  return found;
}

/** Undefined where the kernel hides it, such as that of an executable with file capabilities. */
async function environmentOf(pid: number): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/environ`, "utf8").catch(unlessShort(undefined));
  return text?.split("\0");
}

/**
 * Reads without a promise: the supervisor asks ten times a second, and to hand a read of some
 * microseconds to another thread and back costs ten times as much as the read.
 */
function argumentsOf(pid: number): string[] {
  return commandLineOf(pid).split("\0").slice(0, -1);
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch (error) {
    return unlessShort("")(error);
  }
}

function commandOf(options: EnvoyOptions, configurationFile: string): string[] {
  const { binary, concurrency } = options;
  return [
    ...[binary, "-c", configurationFile],
    ...ENVOY_FLAGS,
    ...["--log-format", "[%l][%n] %v"],
    ...(concurrency === undefined ? [] : ["--concurrency", String(concurrency)]),
  ];
}

function spawnDetached(
  command: readonly string[],
  log: number,
  onExit: EnvoyOptions["onExit"],
): Promise<number> {
  return new Promise((resolve, reject) => {
    const [program, ...args] = command;
    const child = spawn(program as string, args, {
      cwd: "/",
      detached: true,
      env: { PATH: process.env.PATH ?? "", ...ENVOY_ENVIRONMENT },
      stdio: ["ignore", log, log],
    });
    child.once("error", (error) => reject(new Error(`cannot start Envoy: ${error.message}`)));
    child.once("spawn", () => resolve(child.pid as number));
    child.once("exit", (code, signal) =>
      onExit?.(signal ? `signal ${signal}` : `exit code ${code}`),
    );
    child.unref();
  });
}

/** Returns how many connections an Envoy started by this process can have, by its descriptors. */
async function connectionLimit(): Promise<number> {
  if (!existsSync(SHELL)) return connectionsOfThisProcess();
  const script = `${RAISE_DESCRIPTOR_LIMIT}\nulimit -n`;
  const { stdout } = await promisify(execFile)(SHELL, ["-c", script]);
  const descriptors = stdout.trim() === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(stdout);
  return connectionsFor(descriptors, portCount(localPorts()));
}

/**
 * Ends the Envoy of this run directory, if one lives, and removes its pid file and sockets. `known`
 * is its pid, for an Envoy so new that its pid file may not exist yet.
 */
export async function endEnvoy(runDirectory: string, known?: number): Promise<void> {
  const pid = known ?? (await livingEnvoy(runDirectory));
  if (pid !== undefined) await endProcess(runDirectory, pid);
  for (const name of [PID_FILE, ADMIN_SOCKET, TABLE_SOCKET]) {
    await rm(join(runDirectory, name), { force: true });
  }
}

async function endProcess(runDirectory: string, pid: number): Promise<void> {
  for (let waited = 0; await isEnvoyOf(runDirectory, pid); waited += STOP_POLL_MS) {
    signal(pid, waited < STOP_GRACE_MS ? "SIGTERM" : "SIGKILL");
    await sleep(STOP_POLL_MS);
  }
}

/** Does nothing when the process is gone already. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
