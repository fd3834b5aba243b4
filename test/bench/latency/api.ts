// Objects → the API server, many at once. Resolves when the API server has taken the write.

import { Agent, request } from "node:https";
import { type ControlPlane, USERS } from "../../cluster/control-plane.ts";

const CONNECTIONS = 16;
const MERGE = "application/merge-patch+json";

/** What of an object says where it belongs; the rest is the API server's business. */
export interface ApiObject {
  kind: string;
  metadata: { name: string; namespace?: string };
}

const RESOURCES: Record<string, readonly [group: string, resource: string]> = {
  Namespace: ["/api/v1", "namespaces"],
  Node: ["/api/v1", "nodes"],
  Service: ["/api/v1", "services"],
  EndpointSlice: ["/apis/discovery.k8s.io/v1", "endpointslices"],
};

export class Api {
  readonly #server: string;
  readonly #agent = new Agent({
    keepAlive: true,
    maxSockets: CONNECTIONS,
    rejectUnauthorized: false,
  });

  constructor(plane: ControlPlane) {
    this.#server = plane.server;
  }

  async create(object: ApiObject): Promise<void> {
    await this.#ask("POST", collectionOf(object), object);
  }

  /** As many at once as there are connections. Stops at the first that is refused. */
  async createAll(objects: Iterable<ApiObject>): Promise<void> {
    const rest = objects[Symbol.iterator]();
    const lane = async () => {
      for (let next = rest.next(); !next.done; next = rest.next()) await this.create(next.value);
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  }

  /** Whatever version of it there is. */
  async replace(object: ApiObject): Promise<void> {
    await this.#ask("PUT", pathOf(object), object);
  }

  /** A JSON merge patch (RFC 7386): null removes a field, a list replaces the whole list. */
  async patch(object: ApiObject, patch: object, subresource = ""): Promise<void> {
    await this.#ask("PATCH", `${pathOf(object)}${subresource}`, patch, MERGE);
  }

  /** It may be gone already. */
  async remove(object: ApiObject): Promise<void> {
    await this.#ask("DELETE", pathOf(object));
  }

  close(): void {
    this.#agent.destroy();
  }

  #ask(method: string, path: string, body?: object, type = "application/json"): Promise<void> {
    const headers = { authorization: `Bearer ${USERS.admin.token}`, "content-type": type };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const options = { method, agent: this.#agent, headers };
    const asked = request(`${this.#server}${path}`, options, async (response) => {
      const text = (await response.toArray()).join("");
      const status = response.statusCode ?? 0;
      if (status < 300 || (status === 404 && method === "DELETE")) return resolve();
      reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 500)}`));
    });
    asked.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

function pathOf(object: ApiObject): string {
  return `${collectionOf(object)}/${object.metadata.name}`;
}

function collectionOf({ kind, metadata }: ApiObject): string {
  const [group, resource] = RESOURCES[kind] ?? [];
  if (group === undefined) throw new Error(`kind ${kind}: not in RESOURCES`);
  const { namespace } = metadata;
  return namespace === undefined
    ? `${group}/${resource}`
    : `${group}/namespaces/${namespace}/${resource}`;
}
