// One program of an enforcer's on each node, with its log. What kube-router.ts and
// kube-network-policies.ts have in common.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningProgram } from "../cluster/program.ts";
import { eventually } from "../eventually.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";

const DEADLINE_MS = 30_000;

export class EnforcerPrograms {
  /** For what a program reads; removed by `close`. */
  readonly directory: string;
  readonly #name: string;
  readonly #running = new Map<string, RunningProgram>();

  constructor(name: string) {
    this.#name = name;
    this.directory = mkdtempSync(join(tmpdir(), `portico-${name}-`));
  }

  /** Runs `command` in the node's network namespace. */
  start(node: ClusterNode, command: readonly string[]): void {
    const enter = ["nsenter", `--net=/run/netns/${node.name}`, "--", ...command];
    const name = `${this.#name} on ${node.name}`;
    this.#running.set(node.name, new RunningProgram(name, enter, this.#logFile(node)));
  }

  /**
   * Resolves when the program on that node `obeys`. Rejects with the end of its log when that takes
   * longer than 30 s, or when the program ends.
   */
  async until(node: ClusterNode, what: string, obeys: () => Promise<boolean>): Promise<void> {
    await eventually(`${what} on ${node.name}`, DEADLINE_MS, () => {
      this.#running.get(node.name)?.assertRunning();
      return obeys();
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log(node).slice(-3_000)}`);
    });
  }

  /** What it has logged on that node so far. */
  log(node: ClusterNode): string {
    return readFileSync(this.#logFile(node), "utf8");
  }

  async end(node: ClusterNode): Promise<void> {
    await this.#running.get(node.name)?.end();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((program) => program.end()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  #logFile(node: ClusterNode): string {
    return join(this.directory, `${node.name}.log`);
  }
}
