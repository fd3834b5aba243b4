// The control plane, a world with its proxy for each peer, and the objects, which all of them see.
// One turn: a scenario under load with one peer, while the others have nothing to do.

import { buildControlPlane } from "../../cluster/build.ts";
import type { ControlPlane } from "../../cluster/control-plane.ts";
import { Api } from "../latency/api.ts";
import { nowMs } from "../latency/client.ts";
import { makeControl } from "../latency/control.ts";
import { difference, sum } from "../latency/tree-cost.ts";
import { compiled } from "../load/programs.ts";
import { progress } from "../progress.ts";
import { shortFolder } from "../scratch.ts";
import { until } from "../until.ts";
import {
  type HealingService,
  namespaceObject,
  nodeObjects,
  PORT,
  serviceOf,
  sliceOf,
} from "./objects.ts";
import { beginLoad, type OpenLoad } from "./open-loop.ts";
import { makePeer, type Peer, type PeerName } from "./peers.ts";
import { CLIENT_ADDRESSES, type PodName } from "./plan.ts";
import type { Row } from "./report.ts";
import { type Pace, SCENARIOS, type ScenarioName } from "./scenarios.ts";
import { tallyOf } from "./tally.ts";
import { type HealingPrograms, HealingWorld } from "./world.ts";

/** Where nothing is wrong: to see whether a proxy serves. */
const SOUND: HealingService = { name: "sound", clusterIP: "10.96.0.10" };
const SOUND_PODS: readonly PodName[] = ["web-1"];
const PROBE = { rate: 100, seconds: 0.1, patienceMs: 500 };
const START_SECONDS = 120;
/** The first of the scenarios' Services. */
const FIRST_SERVICE = 20;

interface StandOptions {
  peers: readonly PeerName[];
  scenarios: readonly ScenarioName[];
}

export class Stand {
  readonly peers: readonly Peer[];
  readonly #options: StandOptions;
  readonly #api: Api;
  readonly #stops: readonly (() => Promise<void>)[];

  private constructor(
    options: StandOptions,
    plane: ControlPlane,
    peers: readonly Peer[],
    stops: readonly (() => Promise<void>)[],
  ) {
    this.#options = options;
    this.peers = peers;
    this.#api = new Api(plane);
    this.#stops = stops;
  }

  /** With all objects, and all proxies serving. */
  static async make(options: StandOptions): Promise<Stand> {
    const { "kube-proxy": kubeProxy } = await buildControlPlane(progress);
    const programs = healingPrograms();
    const { namespace: control, plane, close } = await makeControl();
    const stops: (() => Promise<void>)[] = [close];
    try {
      const kubeconfig = plane.kubeconfigFile("proxy", plane.innerServer);
      const parts = { kubeProxy, kubeconfig, directory: shortFolder() };
      const peers: Peer[] = [];
      for (const [index, name] of options.peers.entries()) {
        const world = await HealingWorld.make(control, index + 1, programs);
        stops.push(() => world.close());
        const peer = makePeer(name, world, parts);
        stops.push(() => peer.proxy.stop());
        peers.push(peer);
      }
      const stand = new Stand(options, plane, peers, stops);
      await stand.#write();
      for (const peer of peers) await stand.#start(peer);
      return stand;
    } catch (error) {
      await allOf(stops);
      throw error;
    }
  }

  async turn(peer: Peer, scenarioName: ScenarioName, pace: Pace): Promise<Row> {
    const { name, proxy } = peer;
    const { load, prepare, happens, restore } = SCENARIOS[scenarioName];
    const { world } = proxy;
    const service = this.#serviceOf(scenarioName, name);
    await prepare?.(world);
    try {
      const before = proxy.cost();
      const { begunMs, dialled } = await this.#load(world, service, load(pace));
      const turn = { world, api: this.#api, service, pace, begunMs };
      const happened = happens ? happens(turn) : Promise.resolve(0);
      const [all, faultMs] = await proxy.unlessEnded(Promise.all([dialled, happened]));
      const proxyMs = sum(difference(proxy.cost(), before)) / 1_000;
      return { scenario: scenarioName, peer: name, proxyMs, tally: tallyOf(all, faultMs) };
    } finally {
      await restore?.(world);
    }
  }

  /** Removes everything, with all processes. */
  async close(): Promise<void> {
    this.#api.close();
    await allOf(this.#stops);
  }

  async #write(): Promise<void> {
    await this.#api.create(namespaceObject());
    for (const node of nodeObjects()) {
      await this.#api.create(node);
      await this.#api.patch(node, { status: node.status }, "/status");
    }
    await this.#create(SOUND, SOUND_PODS);
    for (const { name } of this.peers) {
      for (const scenario of this.#options.scenarios) {
        await this.#create(this.#serviceOf(scenario, name), SCENARIOS[scenario].pods);
      }
    }
  }

  async #create(service: HealingService, pods: readonly PodName[]): Promise<void> {
    await this.#api.create(serviceOf(service));
    await this.#api.create(sliceOf(service, pods));
  }

  /** Each turn has a Service of its own, so that it begins with the same endpoints. */
  #serviceOf(scenario: ScenarioName, peer: PeerName): HealingService {
    const { peers, scenarios } = this.#options;
    const number = peers.indexOf(peer) * scenarios.length + scenarios.indexOf(scenario);
    return { name: `${scenario}-${peer}`, clusterIP: `10.96.0.${FIRST_SERVICE + number}` };
  }

  async #start({ name, proxy }: Peer): Promise<void> {
    const begun = nowMs();
    await proxy.start();
    const isServing = async () => {
      const { dialled } = await this.#load(proxy.world, SOUND, PROBE);
      const all = await dialled;
      return all.every(({ outcome }) => outcome === "answered");
    };
    await proxy.unlessEnded(until(`${name} to serve`, isServing, START_SECONDS));
    progress(`${name} serves after ${((nowMs() - begun) / 1_000).toFixed(1)} s`);
  }

  #load(
    { client, programs }: HealingWorld,
    { clusterIP }: HealingService,
    load: Pick<OpenLoad, "rate" | "seconds" | "patienceMs">,
  ) {
    const to = { address: clusterIP, port: PORT, sources: CLIENT_ADDRESSES };
    return beginLoad(programs.openLoop, client, { ...to, ...load });
  }
}

function healingPrograms(): HealingPrograms {
  const source = (file: string) => new URL(file, import.meta.url).pathname;
  const sources = [source("../load/server.c"), source("open-loop.c")];
  const [server = "", openLoop = ""] = compiled(sources, [source("../load/exchange.h")]);
  return { server, openLoop };
}

/** The last that was made first; all, even if one fails. */
async function allOf(stops: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const stop of stops.toReversed()) {
    await stop().catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}
