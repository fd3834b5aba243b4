// One network namespace by its name: run programs in it, serve from it, dial out of it. Making and
// removing it is cluster.ts's and sweep.ts's.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type CommandOptions, type CommandResult, runCommand } from "./command.ts";
import { Dialer } from "./dialer.ts";

interface SpawnOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Lives on when this process ends. Its output is then discarded, or it would die of SIGPIPE. */
  outlive?: boolean;
  stdio?: StdioOptions;
}

interface EchoOptions {
  /** What it answers as its name; the namespace's label otherwise. */
  name?: string;
  /** TCP ports to listen on: one, several, or none. */
  tcp?: number | readonly number[];
  udp?: number | readonly number[];
  /** Where it listens; on all addresses otherwise. */
  address?: string;
  outlive?: boolean;
}

export class Namespace {
  /** As in `ip netns exec NAME`. */
  readonly name: string;
  /** What people call it: the name of the node or Pod. */
  readonly label: string;
  private dialerStarted: Promise<Dialer> | undefined;

  constructor(name: string, label: string) {
    this.name = name;
    this.label = label;
  }

  /** Runs a program in the namespace to its end; throws CommandError unless it ended with 0. */
  exec(
    program: string,
    args: readonly string[] = [],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    const [entry, ...rest] = this.entering([program, ...args]);
    return runCommand(entry as string, rest, options);
  }

  /**
   * Starts a program in the namespace. Its pid is the program's own. It is killed when this process
   * ends (even by SIGKILL) or when the cluster is closed, unless it is to outlive both.
   */
  spawn(program: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const tied = options.outlive ? [] : ["setpriv", "--pdeathsig", "KILL", "--"];
    const [entry, ...rest] = this.entering([...tied, program, ...args]);
    const child = spawn(entry as string, rest, {
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
      detached: options.outlive ?? false,
      stdio: options.stdio ?? "pipe",
    });
    if (options.outlive) child.unref();
    return child;
  }

  /** Starts an echo server (echo-server.ts) in the namespace; resolves when it listens. */
  async serve(options: EchoOptions): Promise<ChildProcess> {
    const at = options.address === undefined ? "" : `@${options.address}`;
    const ports = (kind: string, given: EchoOptions["tcp"]) =>
      [given ?? []].flat().map((port) => `${kind}:${port}${at}`);
    const args = [options.name ?? this.label, ...ports("tcp", options.tcp)];
    const child = this.spawn(
      process.execPath,
      [program("echo-server.ts"), ...args, ...ports("udp", options.udp)],
      { outlive: options.outlive ?? false },
    );
    await firstLine(child, "echo server");
    if (options.outlive) child.stdout?.destroy();
    return child;
  }

  /** The namespace's dialling agent (dial.ts), started with the first call. */
  dialer(): Promise<Dialer> {
    this.dialerStarted ??= this.startDialer();
    return this.dialerStarted;
  }

  private async startDialer(): Promise<Dialer> {
    const child = this.spawn(process.execPath, [program("dial.ts")]);
    child.stderr?.pipe(process.stderr);
    child.unref();
    return new Dialer(child);
  }

  // nsenter and not `ip netns exec`: the latter makes a mount namespace and mounts /sys each time.
  private entering(command: readonly string[]): string[] {
    return ["nsenter", `--net=/run/netns/${this.name}`, "--", ...command];
  }
}

/** The next line that a child prints; throws with its standard error when it ends before that. */
async function firstLine(child: ChildProcess, what: string): Promise<string> {
  if (child.stdout === null) throw new Error(`${what}: has no standard output to read`);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    once(child, "close").then(([code]) => {
      throw new Error(`${what}: ended with ${code} before it was ready: ${stderr.trim()}`);
    }),
  ]);
  return line as string;
}

function program(file: string): string {
  return new URL(file, import.meta.url).pathname;
}
