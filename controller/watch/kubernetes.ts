// The Kubernetes API → the cluster state: which objects are watched, and how each kind is doing.
// kubernetes-api.ts sends the requests, list-watch.ts lists and watches.

import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceFromObject } from "../model/from-service.ts";
import { serviceCIDRFromObject } from "../model/from-service-cidr.ts";
import type { Kind } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import { type Collection, ListWatch, type WatchStatus } from "./list-watch.ts";
import type { ReportProblems, WatchSink } from "./list-watch-intake.ts";
import type { Api } from "./list-watch-request.ts";

interface KubernetesOptions {
  api: Api;
  sink: WatchSink;
  reportProblems: ReportProblems;
  /** Called when a kind failed, recovered, or synced. */
  onStatus: (status: WatchStatus) => void;
  clock: Clock;
  /** Numbers from 0 up to 1. */
  random: () => number;
  /** Undefined: the Services without the label service.kubernetes.io/service-proxy-name. */
  serviceProxyName: string | undefined;
  /** The only Node that is watched. */
  nodeName: string;
}

export class KubernetesSource {
  readonly #watches: readonly {
    start(): void;
    stop(): Promise<void>;
    status(): WatchStatus;
  }[];

  constructor(options: KubernetesOptions) {
    const watch = <K extends Kind>(collection: Collection<K>) =>
      new ListWatch({ ...options, collection });
    const { services, endpointSlices, nodes, serviceCIDRs } = collections(options);
    this.#watches = [watch(services), watch(endpointSlices), watch(nodes), watch(serviceCIDRs)];
  }

  /** Starts; faults show in the status and are retried without limit. */
  start(): void {
    for (const watch of this.#watches) watch.start();
  }

  /** Resolves when nothing more can reach the sink. */
  async stop(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.stop()));
  }

  /** One entry for each kind, in the order of KINDS. */
  status(): WatchStatus[] {
    return this.#watches.map((watch) => watch.status());
  }
}

const PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";

/** As kube-proxy 1.37 selects them (cmd/kube-proxy/app/server.go, Run; node.go). */
function collections(options: Pick<KubernetesOptions, "serviceProxyName" | "nodeName">) {
  const { serviceProxyName: proxyName, nodeName } = options;
  const services: Collection<"Service"> = {
    kind: "Service",
    apiGroup: "",
    resource: "services",
    selectors: {
      labelSelector:
        proxyName === undefined ? `!${PROXY_NAME_LABEL}` : `${PROXY_NAME_LABEL}=${proxyName}`,
      fieldSelector: "spec.clusterIP!=None",
    },
    optional: false,
    parse: serviceFromObject,
  };
  const endpointSlices: Collection<"EndpointSlice"> = {
    kind: "EndpointSlice",
    apiGroup: "discovery.k8s.io",
    resource: "endpointslices",
    selectors: { labelSelector: "!service.kubernetes.io/headless" },
    optional: false,
    parse: endpointSliceFromObject,
  };
  const nodes: Collection<"Node"> = {
    kind: "Node",
    apiGroup: "",
    resource: "nodes",
    selectors: { fieldSelector: `metadata.name=${nodeName}` },
    optional: false,
    parse: nodeFromObject,
  };
  const serviceCIDRs: Collection<"ServiceCIDR"> = {
    kind: "ServiceCIDR",
    apiGroup: "networking.k8s.io",
    resource: "servicecidrs",
    selectors: {},
    optional: true,
    parse: serviceCIDRFromObject,
  };
  return { services, endpointSlices, nodes, serviceCIDRs };
}
