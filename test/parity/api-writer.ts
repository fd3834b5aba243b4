// The objects of a state → the API server, by server-side apply (kubernetes.io "Server-Side
// Apply"). Writes to one namespace; returns when the API server has it all, not when anybody acted
// on it.

import { Agent, request } from "node:https";
import { isDeepStrictEqual } from "node:util";
import { type ControlPlane, USERS } from "../cluster/control-plane.ts";
import { eventually } from "../eventually.ts";
import { addressesOf, familyOf, NODES, podCIDRsOf } from "./lab.ts";
import type { KubernetesObject } from "./state.ts";

const NAMESPACE = "parity";
/** API group and resource, in the order in which they are written; deleted all at once. */
const COLLECTIONS: Record<KubernetesObject["kind"], readonly [group: string, resource: string]> = {
  Service: ["/api/v1", "services"],
  Pod: ["/api/v1", "pods"],
  EndpointSlice: ["/apis/discovery.k8s.io/v1", "endpointslices"],
  NetworkPolicy: ["/apis/networking.k8s.io/v1", "networkpolicies"],
};
const APPLY = "application/apply-patch+yaml";
const ALLOCATION_ATTEMPTS = 40;
const ALLOCATION_PAUSE_MS = 50;
/** There is no kubelet to end Pods. */
const AT_ONCE = "?gracePeriodSeconds=0";
const SLICES_DEADLINE_MS = 10_000;
const MERGE = "application/merge-patch+json";

export class ApiWriter {
  readonly #server: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false });
  /** What a state has, by path. */
  #present = new Map<string, KubernetesObject>();

  constructor(plane: ControlPlane) {
    this.#server = plane.server;
  }

  async writeNamespace(name: string): Promise<void> {
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    await this.#patch(`/api/v1/namespaces/${name}`, namespace, APPLY);
  }

  /** The namespace and the Nodes: what all states have in common. */
  async writeBase(): Promise<void> {
    await this.writeNamespace(NAMESPACE);
    await Promise.all(
      NODES.map(async ({ name, zone }) => {
        const labels = {
          "topology.kubernetes.io/zone": zone,
          "kubernetes.io/hostname": name,
        };
        const podCIDRs = podCIDRsOf(name);
        const spec = { podCIDR: podCIDRs[0], podCIDRs };
        const node = { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec };
        await this.#patch(`/api/v1/nodes/${name}`, node, APPLY);
        const addresses = addressesOf(name).map((address) => ({ type: "InternalIP", address }));
        const status = { addresses, conditions: [{ type: "Ready", status: "True" }] };
        await this.#patch(`/api/v1/nodes/${name}/status`, { status }, MERGE);
      }),
    );
  }

  /**
   * From now on there are these objects. Those that stay are changed in place; unless `afresh`:
   * then they are all deleted first and made anew. Resolves when the controller has made the
   * slices of Services with a selector.
   */
  async write(objects: readonly KubernetesObject[], afresh: boolean): Promise<void> {
    const wanted = new Map(objects.map((object) => [pathOf(object), object]));
    const gone = [...this.#present.keys()].filter((path) => afresh || !wanted.has(path));
    await Promise.all(gone.map((path) => this.#ask("DELETE", `${path}${AT_ONCE}`)));
    this.#present = wanted;
    for (const kind of Object.keys(COLLECTIONS)) {
      const those = objects.filter((object) => object.kind === kind);
      await Promise.all(those.map((object) => this.apply(object)));
    }
    const selecting = objects.filter(({ spec }) => spec?.selector !== undefined);
    await Promise.all(selecting.map((owner) => this.#untilSliced(owner, objects)));
  }

  /** One object that is not a state's. */
  async apply(object: KubernetesObject): Promise<void> {
    const { status, ...rest } = object;
    const path = pathOf(object);
    await this.#patch(path, rest, APPLY);
    if (status !== undefined) await this.#patch(`${path}/status`, { status }, MERGE);
  }

  /** One object that is not a state's; it may be gone already. */
  async remove(object: KubernetesObject): Promise<void> {
    await this.#ask("DELETE", `${pathOf(object)}${AT_ONCE}`);
  }

  async #untilSliced(owner: KubernetesObject, objects: readonly KubernetesObject[]): Promise<void> {
    const wanted = slicedFrom(owner, objects);
    const selector = encodeURIComponent(`kubernetes.io/service-name=${owner.metadata.name}`);
    const path = `${collectionOf("EndpointSlice")}?labelSelector=${selector}`;
    await eventually(`slices of ${owner.metadata.name}`, SLICES_DEADLINE_MS, async () => {
      const { items } = JSON.parse(await this.#ask("GET", path)) as { items: Slice[] };
      return isDeepStrictEqual(items.flatMap(endpointsOf).sort(), wanted);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The addresses and ports of a deleted Service are free a moment after it is gone. */
  async #patch(path: string, body: object, contentType: string): Promise<void> {
    const query = contentType === APPLY ? "?fieldManager=parity&force=true" : "";
    const ask = async () => void (await this.#ask("PATCH", `${path}${query}`, body, contentType));
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (error) {
        const isTaken = (error as Error).message.includes("already allocated");
        if (!isTaken || attempt === ALLOCATION_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, ALLOCATION_PAUSE_MS));
      }
    }
  }

  /** Resolves with the answer's body; a thing to delete may be gone already. */
  #ask(method: string, path: string, body?: object, type = "application/json"): Promise<string> {
    const headers = { authorization: `Bearer ${USERS.admin.token}`, "content-type": type };
    const options = { method, agent: this.#agent, headers };
    return new Promise((resolve, reject) => {
      const asked = request(`${this.#server}${path}`, options, async (response) => {
        const text = (await response.toArray()).join("");
        const status = response.statusCode ?? 0;
        if (status < 300 || (status === 404 && method === "DELETE")) return resolve(text);
        reject(new Error(`${method} ${path}: ${status} ${messageOf(text)}`));
      });
      asked.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

interface Slice {
  endpoints: { addresses: string[]; conditions: { ready?: boolean } }[] | null;
}

/** Each endpoint in a word: its address, and whether it is ready. */
function endpointsOf({ endpoints }: Slice): string[] {
  return (endpoints ?? []).map(({ addresses, conditions }) => {
    return `${addresses[0]} ${conditions.ready ?? true}`;
  });
}

/** What endpointsOf is to say of a Service's slices, once the controller has seen everything. */
function slicedFrom(owner: KubernetesObject, objects: readonly KubernetesObject[]): string[] {
  const { selector, publishNotReadyAddresses, ipFamilies = ["IPv4"] } = owner.spec ?? {};
  const wanted = selector as Record<string, string>;
  const selected = objects.filter(({ kind, metadata }) => {
    const has = ([key, value]: [string, string]) => metadata.labels?.[key] === value;
    return kind === "Pod" && Object.entries(wanted).every(has);
  });
  const all = selected.flatMap(({ status }) => {
    const isReady = status.conditions[0].status === "True" || publishNotReadyAddresses === true;
    const ips: string[] = status.podIPs.map(({ ip }: { ip: string }) => ip);
    const served = ips.filter((ip) => (ipFamilies as string[]).includes(familyOf(ip)));
    return served.map((ip) => `${ip} ${isReady}`);
  });
  return all.sort();
}

function pathOf({ kind, metadata }: KubernetesObject): string {
  return `${collectionOf(kind, metadata.namespace)}/${metadata.name}`;
}

function collectionOf(kind: KubernetesObject["kind"], namespace = NAMESPACE): string {
  const [group, resource] = COLLECTIONS[kind];
  return `${group}/namespaces/${namespace}/${resource}`;
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}
