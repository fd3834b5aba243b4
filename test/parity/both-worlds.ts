// kube-proxy's world and Portico's beside each other, one control plane for both, and who compares
// them. What a test file opens once.

import { buildControlPlane } from "../cluster/build.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { ApiWriter } from "./api-writer.ts";
import { Comparison, type Worlds } from "./comparison.ts";
import type { ConfigurationChanges } from "./configuration.ts";
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

  /** Compares on the abilities `tags`; resolves when both serve. Absent: as the lab has it. */
  static async open(
    tags: readonly Tag[],
    configuration: ConfigurationChanges = {},
    podNetwork?: PodNetwork,
  ): Promise<BothWorlds> {
    const closers: Close[] = [];
    try {
      return new BothWorlds(await open({ tags, configuration, podNetwork }, closers), closers);
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
  tags: readonly Tag[];
  configuration: ConfigurationChanges;
  podNetwork: PodNetwork | undefined;
}

async function open(setting: Setting, closers: Close[]): Promise<Parts> {
  const { tags, configuration, podNetwork } = setting;
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
    await world.startProxies({ kubeconfig, leadInto, configuration });
  }
  const comparison = new Comparison({ kubeProxy, portico }, writer, tags);
  await comparison.settle(STARTED_MS);
  return { comparison, writer, kubeProxy, portico, kubeconfig: plane.kubeconfigFile() };
}

async function closeAll(closers: readonly Close[]): Promise<void> {
  for (const close of [...closers].reverse()) await close();
}
