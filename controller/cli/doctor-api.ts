// The Kubernetes API → what the doctor looks at: each kind listed once, in pages that are trimmed
// as they arrive. What may not be read is reported; the doctor does without it where possible.

import { READERS } from "../doctor/objects.ts";
import { eventFindings } from "../doctor/service-events.ts";
import type { DoctorCluster, DoctorPod, Finding } from "../doctor/types.ts";
import type { ApiAccess } from "../kubeconfig/access.ts";
import { ApiFailure, failureFromError } from "../kubeconfig/api-failure.ts";
import { listOf, recordOf, textOf } from "../model/json.ts";
import { systemClock } from "../system/clock.ts";
import { PORTICO_VERSION } from "../system/version.ts";
import { KubernetesApi } from "../watch/kubernetes-api.ts";
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

/** What to examine: one Service, a namespace, or (both absent) everything. */
export interface Scope {
  namespace: string | undefined;
  name: string | undefined;
}

export interface Look {
  cluster: DoctorCluster;
  /** What could not be examined. */
  findings: Finding[];
}

/** Rejects with an ApiFailure when Services or EndpointSlices cannot be read. */
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

/** Reports whether nothing matches: then the Pods of other namespaces matter. */
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

  /** A plugin of the kubeconfig may prompt the user first. */
  async prepare(): Promise<void> {
    await this.#api.prepare();
  }

  /** Other namespaces' count too: for similar names, and addresses that two Services claim. */
  async services({ namespace }: Scope): Promise<Read<"services">[]> {
    const all = await this.optional("services");
    if (all) return all;
    if (namespace !== undefined) return this.all("services", namespace);
    throw new Error(
      "you are not allowed to list the Services of all namespaces; choose one with " +
        "--namespace",
    );
  }

  /**
   * Returns undefined, with a finding, when it may not be read; without when the server lacks it.
   */
  async optional<R extends Resource>(
    resource: R,
    namespace?: string,
    selectors?: Record<string, string>,
  ): Promise<Read<R>[] | undefined> {
    try {
      return await this.all(resource, namespace, selectors);
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (error.code === "absent") return undefined;
      if (error.code !== "forbidden") throw error;
      this.findings.push(forbidden(resource, namespace));
      return undefined;
    }
  }

  /** Returns Warnings on the one Service in question; none where they may not be read. */
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

/** Words it for an operator's permissions, not for a controller's. */
function withRights(
  failure: ApiFailure,
  resource: Resource,
  namespace: string | undefined,
): ApiFailure {
  if (failure.code !== "forbidden") return failure;
  return new ApiFailure("forbidden", failure.message, `See: ${canI(resource, namespace)}`);
}

function canI(resource: Resource, namespace: string | undefined): string {
  const where = namespace === undefined ? "-A" : `-n ${namespace}`;
  return `kubectl auth can-i list ${resource} ${where}`;
}

const WITHOUT: Readonly<Record<Resource, string>> = {
  services: "Services of other namespaces are skipped",
  endpointslices: "endpoints are skipped",
  pods: "labels, readiness and container ports are skipped, except for what EndpointSlices contain",
  nodes: "traffic policies are skipped",
  servicecidrs: "address ranges are skipped",
  events: "Events on the Service are skipped",
};

function forbidden(resource: Resource, namespace: string | undefined): Finding {
  return {
    level: "note",
    code: "not-allowed",
    service: "",
    text: `you are not allowed to list ${resource}: ${WITHOUT[resource]}`,
    command: canI(resource, namespace),
  };
}
