// A Docker of our own: dockerd in its own network and mount namespaces, all that it keeps in one
// temporary folder, so that neither this machine's network nor a Docker that it has is touched.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { geteuid } from "node:process";
import { isInstalled } from "../demo/prerequisites.ts";
import { eventually } from "../eventually.ts";
import { type CommandOptions, type CommandResult, runCommand } from "../namespaces/command.ts";

/** No container engine can be had here; the message says why. */
export class NoEngine extends Error {
  override readonly name = "NoEngine";
}

/** Programs → the packages that have them, by their names in Debian and Ubuntu. */
const PROGRAMS: Record<string, string> = {
  dockerd: "docker.io",
  "docker-compose": "docker-compose",
  iptables: "iptables",
  mmdebstrap: "mmdebstrap",
};
const APT_MS = 600_000;
const START_MS = 90_000;
const STOP_MS = 60_000;

/**
 * /run is empty in there, so that a containerd of this machine is not found and dockerd starts its
 * own; it writes a key into /etc/docker. The address on lo is where ports are published.
 */
const START = [
  "mkdir -p /etc/docker",
  "mount -t tmpfs tmpfs /etc/docker",
  "mount -t tmpfs tmpfs /run",
  "ip link set lo up",
  'exec dockerd "$@"',
].join(" && ");

const CGROUPS = "/sys/fs/cgroup";

export class ContainerEngine {
  readonly #directory: string;
  readonly #daemon: ChildProcess;
  readonly #client: string;
  #log = "";

  private constructor(directory: string, daemon: ChildProcess, client: string) {
    this.#directory = directory;
    this.#daemon = daemon;
    this.#client = client;
    for (const stream of [daemon.stdout, daemon.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#log = (this.#log + text).slice(-20_000);
      });
    }
  }

  /** Throws NoEngine. `say` hears of installations. */
  static async start(say: (line: string) => void): Promise<ContainerEngine> {
    await prepare(say);
    const client = await clientWithBuildKit();
    const directory = mkdtempSync(join(tmpdir(), "portico-docker-"));
    const engine = new ContainerEngine(directory, spawnDaemon(directory), client);
    try {
      await engine.#answering();
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  async #answering(): Promise<void> {
    const ended = () => this.#daemon.exitCode !== null || this.#daemon.signalCode !== null;
    const why = () => `dockerd does not start here: ${lastLines(this.#log)}`;
    await eventually("dockerd", START_MS, async () => {
      if (ended()) throw new NoEngine(why());
      const { code } = await this.docker(["info"], { allowFailure: true });
      return code === 0;
    }).catch((error: Error) => {
      throw error instanceof NoEngine ? error : new NoEngine(why());
    });
  }

  /** What clients of this engine need to find it. */
  get environment(): Record<string, string> {
    return { DOCKER_HOST: `unix://${socketIn(this.#directory)}`, DOCKER: this.#client };
  }

  docker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.run(this.#client, args, options);
  }

  /** A program that is a client of this engine. */
  run(
    program: string,
    args: readonly string[],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    const env = { ...this.environment, ...options.env };
    return runCommand(program, args, { timeoutMs: 180_000, ...options, env });
  }

  /** Runs a program where dockerd is, as on the machine of somebody who uses Docker. */
  onHost(
    program: string,
    args: readonly string[],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    const enter = ["--target", String(this.#daemon.pid), "--net", program];
    return runCommand("nsenter", [...enter, ...args], options);
  }

  /** Ends all containers, and removes all there was. */
  async close(): Promise<void> {
    const containers = await this.docker(["ps", "-aq"], { allowFailure: true });
    const ids = containers.stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await this.docker(["rm", "-f", ...ids], { allowFailure: true });
    await endProcess(this.#daemon);
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
    await removeCgroups(basename(this.#directory));
  }
}

/** What dockerd and its builder leave: empty folders, the innermost of which go first. */
async function removeCgroups(name: string): Promise<void> {
  const ours = ["-depth", "-type", "d", "-path", `*/${name}*`, "-delete"];
  await runCommand("find", [CGROUPS, ...ours], { allowFailure: true });
}

function spawnDaemon(directory: string): ChildProcess {
  writeFileSync(join(directory, "daemon.json"), "{}");
  const options = {
    "config-file": "daemon.json",
    "data-root": "data",
    "exec-root": "exec",
    pidfile: "docker.pid",
  };
  const paths = Object.entries(options).flatMap(([flag, name]) => {
    return [`--${flag}`, join(directory, name)];
  });
  // It ends with us, however we end.
  const alone = ["--pdeathsig", "TERM", "unshare", "-n", "-m", "--propagation", "private"];
  const cgroup = ["--cgroup-parent", `/${basename(directory)}`];
  const dockerd = [...paths, ...cgroup, "--host", `unix://${socketIn(directory)}`];
  return spawn("setpriv", [...alone, "sh", "-c", START, "dockerd", ...dockerd], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function socketIn(directory: string): string {
  return join(directory, "docker.sock");
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  await ended;
  clearTimeout(timer);
}

async function prepare(say: (line: string) => void): Promise<void> {
  if (geteuid?.() !== 0) throw new NoEngine("starting a Docker of its own takes root");
  const missing = Object.keys(PROGRAMS).filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = missing.map((program) => PROGRAMS[program] ?? program);
  // Where systemd runs, installing a daemon starts it.
  if (!isInstalled("apt-get") || existsSync("/run/systemd/system")) {
    throw new NoEngine(`${missing.join(", ")} missing; install ${packages.join(" ")}`);
  }
  say(`compose: installing ${packages.join(" ")} with apt-get`);
  const failure = await installPackages(packages);
  if (missing.every(isInstalled)) return;
  throw new NoEngine(`${missing.join(", ")} missing after apt-get installed it: ${failure}`);
}

async function installPackages(packages: readonly string[]): Promise<string> {
  const install = ["install", "--yes", "--no-install-recommends", ...packages];
  const first = await aptGet(install);
  if (first.code === 0) return "";
  // The usual reason on a fresh machine: it has never loaded the lists of packages.
  await aptGet(["update"]);
  return lastLines((await aptGet(install)).stderr);
}

function aptGet(args: readonly string[]): Promise<CommandResult> {
  return runCommand("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
    allowFailure: true,
    timeoutMs: APT_MS,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
}

/** Clients until 22 have BuildKit in them, later ones as a plugin, which may be missing. */
async function clientWithBuildKit(): Promise<string> {
  for (const client of ["docker", "/usr/bin/docker"]) {
    const options = { allowFailure: true };
    const version = await runCommand(client, ["--version"], options).catch(() => undefined);
    const major = Number(/version (\d+)/.exec(version?.stdout ?? "")?.[1]);
    if (major < 23) return client;
    const { code } = await runCommand(client, ["buildx", "version"], options);
    if (major >= 23 && code === 0) return client;
  }
  throw new NoEngine("no docker client here has BuildKit; install docker.io or docker-buildx");
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-3).join("; ") || "nothing";
}
