// An Envoy as far as an xDS server sees it, in the incremental protocol: it asks for everything
// that it is given, acknowledges it, and refuses listeners that it is told to.

import { credentials, makeClientConstructor } from "@grpc/grpc-js";
import { loadProtos } from "../../controller/xds/protos.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "../../controller/xds/type-urls.ts";

interface DeltaAnswer {
  type_url: string;
  nonce: string;
  resources: { name: string; version: string }[];
  removed_resources: string[];
}

interface Stream {
  write(request: object): void;
  on(event: "data", listener: (answer: DeltaAnswer) => void): void;
  on(event: "error", listener: () => void): void;
  cancel(): void;
}

export class StreamingEnvoy {
  /** The versions of what it has, by type and name. */
  readonly content = new Map<string, Map<string, string>>();
  /** Names of listeners that it refuses. */
  refuses: (name: string) => boolean = () => false;
  /** Of all answers so far. */
  resourcesReceived = 0;
  readonly #stream: Stream;
  readonly #close: () => void;

  /** Connects, and asks for clusters and listeners. */
  constructor(socketPath: string) {
    const Client = makeClientConstructor(loadProtos().discoveryService, "");
    const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
    this.#close = () => client.close();
    this.#stream = (
      client as unknown as { DeltaAggregatedResources(): Stream }
    ).DeltaAggregatedResources();
    this.#stream.on("error", () => {});
    this.#stream.on("data", (answer) => this.#receive(answer));
    for (const type of [CLUSTER_TYPE, LISTENER_TYPE]) this.#request(type, {});
  }

  close(): void {
    this.#stream.cancel();
    this.#close();
  }

  names(type: string): string[] {
    return [...(this.content.get(type)?.keys() ?? [])].sort();
  }

  #receive({ type_url: type, nonce, resources, removed_resources: removed }: DeltaAnswer): void {
    const present = this.content.get(type) ?? new Map<string, string>();
    this.content.set(type, present);
    this.resourcesReceived += resources.length;
    const bad = type === LISTENER_TYPE ? resources.filter(({ name }) => this.refuses(name)) : [];
    const good = resources.filter((each) => !bad.includes(each));
    const added = good.filter(({ name }) => !present.has(name)).map(({ name }) => name);
    for (const { name, version } of good) present.set(name, version);
    for (const name of removed) present.delete(name);
    const message = bad.map(({ name }) => `${name}: cannot bind\n`).join("");
    const refusal = bad.length > 0 ? { error_detail: { code: 13, message } } : {};
    this.#request(type, { response_nonce: nonce, ...refusal });
    if (type !== CLUSTER_TYPE) return;
    for (const name of removed) this.content.get(ENDPOINTS_TYPE)?.delete(name);
    this.#request(ENDPOINTS_TYPE, {
      resource_names_subscribe: added,
      resource_names_unsubscribe: removed,
    });
  }

  #request(type_url: string, fields: object): void {
    this.#stream.write({ type_url, node: { id: "test" }, ...fields });
  }
}
