// deploy/compose.yaml, brought up on a ContainerEngine from images made of Debian packages, with
// manifests of its own.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { cacheDirectory } from "../../envoy/find.ts";
import { eventually } from "../eventually.ts";
import type { CommandOptions, CommandResult } from "../namespaces/command.ts";
import type { ContainerEngine } from "./engine.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const COMPOSE_FILE = join(CHECKOUT, "deploy/compose.yaml");
/** One more when what is in it changes: the cache keeps it. */
const BASE_REVISION = 1;
const BUILD_MS = 600_000;
const PROJECT = "portico-test";

/** A service of compose.yaml, or a container of it. */
export type ServiceName = "node" | "portico" | "envoy" | "backend-1" | "backend-2" | "client";

/** As deploy/compose/client.ts prints it. */
export interface Answer {
  backend?: string;
  container?: string;
  client?: string;
  error?: string;
}

/** portico:0.1.0 and portico-all-in-one:0.1.0. */
export async function buildImages(engine: ContainerEngine): Promise<void> {
  const BASE_TAR = join(cacheDirectory(process.env), `image-base-${BASE_REVISION}.tar`);
  const script = join(CHECKOUT, "deploy/images/from-debian.sh");
  await engine.run(script, [], { env: { BASE_TAR }, timeoutMs: BUILD_MS });
}

export class NodeOfContainers {
  /** What this node serves; starts as deploy/compose/manifests. */
  readonly manifests: string;
  readonly #engine: ContainerEngine;
  readonly #directory: string;

  constructor(engine: ContainerEngine) {
    this.#engine = engine;
    this.#directory = mkdtempSync(join(tmpdir(), "portico-compose-"));
    this.manifests = join(this.#directory, "manifests");
    cpSync(join(CHECKOUT, "deploy/compose/manifests"), this.manifests, { recursive: true });
  }

  compose(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = {
      COMPOSE_PROJECT_NAME: PROJECT,
      PORTICO_ENVOY_IMAGE: "portico-all-in-one:0.1.0",
      PORTICO_ENVOY_USER: "65533",
      PORTICO_MANIFESTS: this.manifests,
      ...options.env,
    };
    return this.#engine.run("docker-compose", ["--file", COMPOSE_FILE, ...args], {
      timeoutMs: 180_000,
      ...options,
      env,
    });
  }

  async up(): Promise<void> {
    await this.compose(["up", "-d"]);
  }

  /** Id of the container that a service has now. */
  async container(service: ServiceName): Promise<string> {
    const labels = { project: PROJECT, service };
    const filters = Object.entries(labels).flatMap(([name, value]) => {
      return ["--filter", `label=com.docker.compose.${name}=${value}`];
    });
    const { stdout } = await this.#engine.docker(["ps", "--quiet", "--no-trunc", ...filters]);
    return stdout.trim();
  }

  /** Runs a command in the container of a service. */
  async exec(service: ServiceName, ...command: string[]): Promise<CommandResult> {
    return this.#engine.docker(["exec", await this.container(service), ...command]);
  }

  /** What a Pod is answered that asks as often, a new connection each time. */
  async ask(url: string, count: number): Promise<Answer[]> {
    const script = ["node", "/compose/client.ts", url, String(count), "10"];
    const { stdout } = await this.exec("client", ...script);
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Answer);
  }

  /**
   * Asks from now until `work` is done, and at least once after it began. The function that `work`
   * gets resolves when all that was asked before has been answered.
   */
  async askDuring(
    url: string,
    work: (answered: () => Promise<unknown>) => Promise<void>,
  ): Promise<Answer[]> {
    let isDone = false;
    const answers: Answer[] = [];
    const answered = () => {
      const before = answers.length;
      return eventually("an answer", 120_000, async () => isDone || answers.length > before);
    };
    const working = work(answered).finally(() => {
      isDone = true;
    });
    const asking = (async () => {
      do answers.push(...(await this.ask(url, 20)));
      while (!isDone);
    })();
    await Promise.all([working, asking]);
    return answers;
  }

  /** Resolves when the data plane has just these backends, by address, for the cluster IP. */
  async serves(backends: readonly string[], deadlineMs = 60_000): Promise<void> {
    await eventually(`serving ${backends.join(" and ")}`, deadlineMs, async () => {
      const id = await this.container("portico");
      const command = ["exec", id, "portico", "services", "-o", "json"];
      const { code, stdout } = await this.#engine.docker(command, { allowFailure: true });
      if (code !== 0) return false;
      return isDeepStrictEqual(clusterIPBackends(stdout), [...backends].sort());
    });
  }

  /** The endpoints of the Service, by address. */
  setEndpoints(addresses: readonly string[]): void {
    const file = join(this.manifests, "shop.yaml");
    const [head] = readFileSync(file, "utf8").split("endpoints:\n");
    const endpoints = addresses.map((address) => `  - addresses: [${address}]\n`);
    writeFileSync(file, `${head}endpoints:\n${endpoints.join("")}`);
  }

  async logs(): Promise<string> {
    const { stdout } = await this.compose(["logs", "--no-color", "--tail", "30"]);
    return stdout;
  }

  async down(): Promise<void> {
    await this.compose(["down", "--volumes", "--timeout", "5"]);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

interface Frontend {
  kind: string;
  backends: { address: string }[];
}

/** Of `portico services -o json`: addresses, sorted. */
function clusterIPBackends(json: string): string[] {
  const { frontends } = JSON.parse(json) as { frontends: Frontend[] };
  const ofClusterIP = frontends.filter(({ kind }) => kind === "ClusterIP");
  return ofClusterIP.flatMap(({ backends }) => backends.map(({ address }) => address)).sort();
}
