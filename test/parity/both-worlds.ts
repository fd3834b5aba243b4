// kube-proxy's world and Portico's beside each other, one control plane for both, and who compares
// them. What a test file opens once.

import { buildControlPlane } from "../cluster/build.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { ApiWriter } from "./api-writer.ts";
import { Comparison, type Worlds } from "./comparison.ts";
import type { ConfigurationChanges } from "./configuration.ts";
import { INTENDED_DIFFERENCES, INTENDED_WITHOUT_HEALING } from "./intended-differences.ts";
import { KubeProxyWorld } from "./kube-proxy-world.ts";
import { SERVICE_CIDRS } from "./lab.ts";
import { PorticoWorld } from "./portico-world.ts";
import type { Tag } from "./tags.ts";
import { WayToApi } from "./way-to-api.ts";

/** For four proxies that start at the same time, on a machine that has other things to do. */
const STARTED_MS = 120_000;

type Close = () => Promise<void> | void;

/** What the worlds are made of, for those who add something to both. */
interface Parts extends Worlds {
  comparison: Comparison;
  writer: ApiWriter;
  /** Of a user who may do everything. */
  kubeconfig: string;
}

export class BothWorlds {
  readonly comparison: Comparison;
  readonly parts: Parts;
  readonly #closers: readonly Close[];

  private constructor(parts: Parts, closers: readonly Close[]) {
    this.comparison = parts.comparison;
    this.parts = parts;
    this.#closers = closers;
  }

  /** Compares on the abilities `tags`; resolves when both serve. */
  static async open(tags: readonly Tag[], setting: Setting = {}): Promise<BothWorlds> {
    const closers: Close[] = [];
    try {
      return new BothWorlds(await open(tags, setting, closers), closers);
    } catch (error) {
      await closeAll(closers);
      throw error;
    }
  }

  close(): Promise<void> {
    return closeAll(this.#closers);
  }
}

interface Setting {
  /** For both; absent: none. */
  changes?: ConfigurationChanges;
  /** Absent: the lab's own. */
  podNetwork?: PodNetwork | undefined;
  /** Whether Portico gives clients another backend; true when absent. */
  heals?: boolean;
}

/**
 * Backends of one state are those of the next: what failed in the one would be left alone in the
 * other, and which backends a client can get is what is compared. Ejection has tests of its own.
 */
const NO_EJECTION = ["--ejection", "off"];
/** As kube-proxy treats backends that fail. */
const NO_HEALING = [...NO_EJECTION, "--connect-attempts", "1"];

async function open(tags: readonly Tag[], setting: Setting, closers: Close[]): Promise<Parts> {
  const { changes: configuration = {}, podNetwork, heals = true } = setting;
  const programs = await buildControlPlane((line) => console.error(line));
  const serviceClusterIPRange = SERVICE_CIDRS.join(",");
  const plane = await ControlPlane.start({ serviceClusterIPRange });
  closers.push(() => plane.stop());
  const writer = new ApiWriter(plane);
  closers.push(() => writer.close());
  const way = await WayToApi.open(Number(new URL(plane.server).port));
  closers.push(() => way.close());
  const kubeProxy = await KubeProxyWorld.make(programs["kube-proxy"], podNetwork);
  closers.push(() => kubeProxy.close());
  const portico = await PorticoWorld.make(podNetwork);
  closers.push(() => portico.close());
  await writer.writeBase();
  const kubeconfig = plane.kubeconfigFile("proxy");
  const leadInto: WayToApi["leadInto"] = (namespace) => way.leadInto(namespace);
  for (const world of [kubeProxy, portico]) {
    await world.startAgents();
    const porticoFlags = heals ? NO_EJECTION : NO_HEALING;
    await world.startProxies({ kubeconfig, leadInto, configuration, porticoFlags });
  }
  const intended = heals ? INTENDED_DIFFERENCES : INTENDED_WITHOUT_HEALING;
  const comparison = new Comparison({ kubeProxy, portico }, writer, { tags, intended });
  await comparison.settle(STARTED_MS);
  return { comparison, writer, kubeProxy, portico, kubeconfig: plane.kubeconfigFile() };
}

async function closeAll(closers: readonly Close[]): Promise<void> {
  for (const close of [...closers].reverse()) await close();
}
