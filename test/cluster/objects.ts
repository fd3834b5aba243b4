// Kubernetes objects for tests, written to a real API server. A Pod here is its API object alone:
// what the kubelet would write into its status is written by hand.

import {
  CoreV1Api,
  DiscoveryV1Api,
  type KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1EndpointSlice,
  type V1Node,
  type V1Pod,
  type V1Service,
  type V1ServiceSpec,
} from "@kubernetes/client-node";

const MERGE = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

interface NodeFacts {
  name: string;
  /** InternalIP addresses. */
  addresses: string[];
  podCIDRs?: string[];
  labels?: Record<string, string>;
}

export interface PodFacts {
  name: string;
  nodeName: string;
  ip: string;
  labels: Record<string, string>;
  /** What a Service's named targetPort may refer to. */
  ports?: { name: string; containerPort: number; protocol?: string }[];
  ready?: boolean;
}

interface ServiceFacts {
  name: string;
  labels?: Record<string, string>;
  spec: V1ServiceSpec;
}

/** Writes to one namespace (Nodes belong to none). Every method throws what the API refuses. */
export class Objects {
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;
  readonly namespace: string;

  constructor(config: KubeConfig, namespace = "default") {
    this.core = config.makeApiClient(CoreV1Api);
    this.discovery = config.makeApiClient(DiscoveryV1Api);
    this.namespace = namespace;
  }

  async createNamespace(): Promise<void> {
    await this.core.createNamespace({ body: { metadata: { name: this.namespace } } });
  }

  async createNode(facts: NodeFacts): Promise<V1Node> {
    const { name, addresses, podCIDRs = [], labels = {} } = facts;
    const spec = podCIDRs[0] === undefined ? {} : { podCIDR: podCIDRs[0], podCIDRs };
    await this.core.createNode({ body: { metadata: { name, labels }, spec } });
    const status = {
      addresses: addresses.map((address) => ({ type: "InternalIP", address })),
      conditions: [{ type: "Ready", status: "True" }],
    };
    return this.core.patchNodeStatus({ name, body: { status } }, MERGE);
  }

  async createService(facts: ServiceFacts): Promise<V1Service> {
    const { name, labels = {}, spec } = facts;
    return this.core.createNamespacedService({
      namespace: this.namespace,
      body: { metadata: { name, labels }, spec },
    });
  }

  /** A JSON merge patch (RFC 7386): null removes a field, a list replaces the whole list. */
  async patchService(name: string, body: object): Promise<V1Service> {
    return this.core.patchNamespacedService({ name, namespace: this.namespace, body }, MERGE);
  }

  /** An EndpointSlice written by hand, for a Service without a selector: ready endpoints. */
  async createSlice(service: string, port: number, ips: string[]): Promise<V1EndpointSlice> {
    const labels = { "kubernetes.io/service-name": service };
    return this.discovery.createNamespacedEndpointSlice({
      namespace: this.namespace,
      body: {
        metadata: { name: `${service}-by-hand`, labels },
        addressType: "IPv4",
        ports: [{ name: "http", port, protocol: "TCP" }],
        endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
      },
    });
  }

  /** Of a slice that createSlice made; a JSON merge patch. */
  async patchSlice(service: string, body: object): Promise<V1EndpointSlice> {
    const name = `${service}-by-hand`;
    const where = { name, namespace: this.namespace };
    return this.discovery.patchNamespacedEndpointSlice({ ...where, body }, MERGE);
  }

  async deleteService(name: string): Promise<void> {
    await this.core.deleteNamespacedService({ name, namespace: this.namespace });
  }

  /** Of the whole namespace: their node ports and external IPs are free again. */
  async deleteServices(): Promise<void> {
    await this.core.deleteCollectionNamespacedService({ namespace: this.namespace });
  }

  /** A Pod that runs on `nodeName` with the address `ip`, and is Ready unless told otherwise. */
  async createPod(facts: PodFacts): Promise<V1Pod> {
    const { name, nodeName, labels, ports = [] } = facts;
    const container = { name: "main", image: "none", ports };
    await this.core.createNamespacedPod({
      namespace: this.namespace,
      body: { metadata: { name, labels }, spec: { nodeName, containers: [container] } },
    });
    return this.setPodReady(name, facts.ready ?? true, facts.ip);
  }

  /** `ip` absent: the address stays. */
  async setPodReady(name: string, ready: boolean, ip?: string): Promise<V1Pod> {
    const status = {
      phase: "Running",
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    };
    const where = { name, namespace: this.namespace };
    return this.core.patchNamespacedPodStatus({ ...where, body: { status } }, MERGE);
  }

  /**
   * With a grace period the Pod stays, terminating, as there is no kubelet to end it: call again
   * with 0.
   */
  async deletePod(name: string, gracePeriodSeconds = 0): Promise<void> {
    await this.core.deleteNamespacedPod({ name, namespace: this.namespace, gracePeriodSeconds });
  }

  /**
   * Makes the Pods with `labels` be exactly those of `wanted`, as a Deployment's scaling would: the
   * missing ones are created, the others deleted. Facts of Pods that exist are not compared.
   */
  async scale(labels: Record<string, string>, wanted: readonly PodFacts[]): Promise<void> {
    const labelSelector = Object.entries(labels).map((pair) => pair.join("="));
    const namespace = this.namespace;
    const present = await this.core.listNamespacedPod({
      namespace,
      labelSelector: labelSelector.join(","),
    });
    const names = new Set(present.items.map((pod) => pod.metadata?.name ?? ""));
    const wantedNames = new Set(wanted.map((pod) => pod.name));
    const missing = wanted.filter((pod) => !names.has(pod.name));
    const superfluous = [...names].filter((name) => !wantedNames.has(name));
    await Promise.all([
      ...missing.map((pod) => this.createPod(pod)),
      ...superfluous.map((name) => this.deletePod(name)),
    ]);
  }
}
