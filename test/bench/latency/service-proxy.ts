// What the bench asks of a proxy, whichever it is: started and stopped, made to stand still while
// the other one is measured, and what it costs.

import { setTimeout as delay } from "node:timers/promises";
import { RunningProgram } from "../../cluster/program.ts";
import type { ClusterNode } from "../../namespaces/cluster.ts";
import { residentBytes } from "../process-cost.ts";
import { difference, sum, type TreeCost, treeCost } from "./tree-cost.ts";
import type { World } from "./world.ts";

/** "before" is Portico too: another build of it. */
export const PROXY_NAMES = ["portico", "before", "kube-proxy"] as const;
export type ProxyName = (typeof PROXY_NAMES)[number];

/** At rest: so little CPU in one look that nothing is being worked on. */
const REST = { lookMs: 250, cpuUs: 25_000, looks: 4, mostLooks: 240 };

/** What a proxy needs to know of where it runs. */
export interface ProxyWorld {
  /** The one that it serves. */
  readonly node: ClusterNode;
}

export abstract class ServiceProxy<W extends ProxyWorld = World> {
  abstract readonly name: ProxyName;
  /** Between two changes that are looked at one by one: more than it waits between two syncs. */
  abstract readonly paceMs: number;
  readonly world: W;
  #program: RunningProgram | undefined;

  constructor(world: W) {
    this.world = world;
  }

  /** Starts it; what an earlier one programmed is still there. Does not wait until it serves. */
  abstract start(): Promise<void>;

  /** Removes what it programmed, and its Envoy. It has been stopped. */
  abstract clean(): Promise<void>;

  /** Its Envoy's pid; undefined when it has none, or none yet. */
  abstract envoy(): number | undefined;

  protected run(command: readonly string[], log: string): void {
    const enter = ["nsenter", `--net=/run/netns/${this.world.node.name}`, "--"];
    this.#program = new RunningProgram(this.name, [...enter, ...command], log);
  }

  /** Ends the program alone, as a restart would; what it programmed stays. */
  async stop(): Promise<void> {
    this.resume();
    await this.#program?.end("SIGTERM");
    this.#program = undefined;
  }

  /** Stands still, so that the machine is the other proxy's. Envoy goes on: it does nothing. */
  pause(): void {
    this.#program?.signal("SIGSTOP");
  }

  resume(): void {
    this.#program?.signal("SIGCONT");
  }

  /** The same as `result`; throws with the end of its log when the program ends before. */
  unlessEnded<T>(result: Promise<T>): Promise<T> {
    return this.#running.unlessEnded(result);
  }

  get pid(): number {
    const running = this.#running;
    running.assertRunning();
    return running.pid ?? 0;
  }

  get #running(): RunningProgram {
    if (this.#program === undefined) throw new Error(`${this.name} does not run`);
    return this.#program;
  }

  cost(): TreeCost {
    return treeCost(this.pid, this.envoy());
  }

  memory(): { main: number; envoy: number | undefined } {
    const envoy = this.envoy();
    const envoyBytes = envoy === undefined ? undefined : residentBytes(envoy);
    return { main: residentBytes(this.pid), envoy: envoyBytes };
  }

  /** Until nothing is worked on any more, or a minute has gone by. */
  async atRest(): Promise<void> {
    let quiet = 0;
    for (let look = 0; look < REST.mostLooks && quiet < REST.looks; look++) {
      const before = this.cost();
      await delay(REST.lookMs);
      quiet = sum(difference(this.cost(), before)) < REST.cpuUs ? quiet + 1 : 0;
    }
  }
}
