// The Kubernetes API → what the doctor looks at: each kind listed once, in pages that are trimmed
// as they arrive. What may not be read is told, and done without where that is possible.

import { systemClock } from "../clock.ts";
import { PORTICO_VERSION } from "../daemon/version.ts";
import { READERS } from "../doctor/objects.ts";
import { eventFindings } from "../doctor/service-events.ts";
import type { DoctorCluster, DoctorPod, Finding } from "../doctor/types.ts";
import type { ApiAccess } from "../kubeconfig/access.ts";
import { listOf, recordOf, textOf } from "../model/json.ts";
import { KubernetesApi } from "../watch/kubernetes-api.ts";
import { failureFromError, WatchFailure } from "../watch/list-watch-failure.ts";
import { Requests } from "../watch/list-watch-request.ts";

const PAGE = "500";

type Resource = keyof typeof READERS;
type Read<R extends Resource> = ReturnType<(typeof READERS)[R]>[number];

const API_GROUPS: Readonly<Record<Resource, string>> = {
  services: "",
  pods: "",
  nodes: "",
  events: "",
  endpointslices: "discovery.k8s.io",
  servicecidrs: "networking.k8s.io",
};

/** What to look at: one Service, a namespace, or (both absent) everything. */
export interface Scope {
  namespace: string | undefined;
  name: string | undefined;
}

export interface Look {
  cluster: DoctorCluster;
  /** What could not be looked at. */
  findings: Finding[];
}

/** Rejects with a WatchFailure when Services or EndpointSlices cannot be read. */
export async function lookAtApi(access: ApiAccess, scope: Scope): Promise<Look> {
  const lists = new Lists(access);
  await lists.prepare();
  const { namespace } = scope;
  const services = await lists.services(scope);
  const slices = await lists.all("endpointslices", namespace);
  const pods = await lists.optional("pods", namespace);
  const nodes = await lists.optional("nodes");
  const serviceCIDRs = await lists.optional("servicecidrs");
  const cluster = { services, slices, pods, nodes, serviceCIDRs };
  const findings = [...lists.findings, ...(await lists.events(scope))];
  if (namespace !== undefined && pods && matchesNothing(cluster, scope)) {
    const everywhere = await lists.optional("pods");
    return { cluster: { ...cluster, pods: everywhere ?? pods }, findings };
  }
  return { cluster, findings };
}

/** Then the Pods of other namespaces are of interest. */
function matchesNothing({ services, pods = [] }: DoctorCluster, scope: Scope): boolean {
  const own = services.filter(({ service: { namespace, name } }) => {
    return namespace === scope.namespace && (scope.name ?? name) === name;
  });
  return own.some(({ service }) => {
    const wanted = Object.entries(service.selector ?? {});
    const isSelected = ({ pod }: DoctorPod) =>
      pod.namespace === service.namespace && wanted.every(([k, v]) => pod.labels[k] === v);
    return wanted.length > 0 && !pods.some(isSelected);
  });
}

class Lists {
  readonly findings: Finding[] = [];
  readonly #api: KubernetesApi;

  constructor(access: ApiAccess) {
    this.#api = new KubernetesApi(() => access, `portico/${PORTICO_VERSION}`);
  }

  /** A plugin of the kubeconfig may ask the user something first. */
  async prepare(): Promise<void> {
    await this.#api.prepare();
  }

  /** Other namespaces' count too: for names that come near, and addresses that two claim. */
  async services({ namespace }: Scope): Promise<Read<"services">[]> {
    const all = await this.optional("services");
    if (all) return all;
    if (namespace !== undefined) return this.all("services", namespace);
    throw new Error("you may not list the Services of all namespaces; name one with --namespace");
  }

  /** Undefined, and a finding, when it may not be read; nothing when the server has none. */
  async optional<R extends Resource>(
    resource: R,
    namespace?: string,
    selectors?: Record<string, string>,
  ): Promise<Read<R>[] | undefined> {
    try {
      return await this.all(resource, namespace, selectors);
    } catch (error) {
      if (!(error instanceof WatchFailure)) throw error;
      if (error.code === "absent") return undefined;
      if (error.code !== "forbidden") throw error;
      this.findings.push(forbidden(resource, namespace));
      return undefined;
    }
  }

  /** Warnings on the one Service that is asked about; none where they may not be read. */
  async events({ namespace, name }: Scope): Promise<Finding[]> {
    if (namespace === undefined || name === undefined) return [];
    const of = `involvedObject.kind=Service,involvedObject.name=${name},type=Warning`;
    const events = await this.optional("events", namespace, { fieldSelector: of });
    return eventFindings(`${namespace}/${name}`, events ?? []);
  }

  async all<R extends Resource>(
    resource: R,
    namespace?: string,
    selectors: Record<string, string> = {},
  ): Promise<Read<R>[]> {
    const where = namespace === undefined ? resource : `namespaces/${namespace}/${resource}`;
    const what = { resource: where, apiGroup: API_GROUPS[resource], selectors };
    const requests = new Requests(this.#api, systemClock, new AbortController().signal, what);
    const read = READERS[resource] as (json: unknown) => Read<R>[];
    const found: Read<R>[] = [];
    let position = "";
    do {
      const query = position === "" ? { limit: PAGE } : { limit: PAGE, continue: position };
      const page = await requests.list(query).catch((error: unknown) => {
        throw withRights(failureFromError(this.#api.server, error), resource, namespace);
      });
      for (const item of listOf(page.items)) found.push(...read(item));
      position = textOf(recordOf(page.metadata).continue);
    } while (position !== "");
    return found;
  }
}

/** Of a person's rights, not of a controller's. */
function withRights(
  failure: WatchFailure,
  resource: Resource,
  namespace: string | undefined,
): WatchFailure {
  if (failure.code !== "forbidden") return failure;
  return new WatchFailure("forbidden", failure.message, `See: ${canI(resource, namespace)}`);
}

function canI(resource: Resource, namespace: string | undefined): string {
  const where = namespace === undefined ? "-A" : `-n ${namespace}`;
  return `kubectl auth can-i list ${resource} ${where}`;
}

const WITHOUT: Readonly<Record<Resource, string>> = {
  services: "Services of other namespaces are not looked at",
  endpointslices: "endpoints are not looked at",
  pods: "labels, readiness and container ports are not looked at, only what EndpointSlices tell",
  nodes: "traffic policies are not looked at",
  servicecidrs: "address ranges are not looked at",
  events: "what others have said of the Service is not looked at",
};

function forbidden(resource: Resource, namespace: string | undefined): Finding {
  return {
    level: "note",
    code: "not-allowed",
    service: "",
    text: `you may not list ${resource}: ${WITHOUT[resource]}`,
    command: canI(resource, namespace),
  };
}
