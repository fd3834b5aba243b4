// The node that one proxy serves: namespaces with the same names and addresses for each proxy, and
// a link of its own to the control plane.
//
//    node-1   client, web-a, web-b    the proxy
//      └─veth─ control                etcd, kube-apiserver
//
// web-a and web-b answer with their names (named-server.c); client asks (until-answered.c).

import { type Cluster, type ClusterNode, makeNode } from "../../namespaces/cluster.ts";
import { ipBatch } from "../../namespaces/command.ts";
import type { Namespace } from "../../namespaces/namespace.ts";
import { firstLine } from "../first-line.ts";
import { compiled } from "../load/programs.ts";
import { NODE_NAME } from "../synthetic-cluster.ts";
import { Client } from "./client.ts";
import { TARGET_PORT } from "./objects.ts";

/** Where kube-apiserver listens, in a namespace of its own. */
export const API_ADDRESS = "198.19.0.1";
export const NODE_ADDRESS = "192.0.2.1";
export const WEB = { "web-a": "10.1.1.10", "web-b": "10.1.1.11" } as const;
export type WebName = keyof typeof WEB;
const CLIENT = "10.1.1.12";

export class World {
  readonly node: ClusterNode;
  readonly client: Client;
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster, node: ClusterNode, client: Client) {
    this.#cluster = cluster;
    this.node = node;
    this.client = client;
  }

  /** `number` tells the worlds' links to the control plane apart. */
  static async make(control: Namespace, number: number): Promise<World> {
    const [server = "", asking = ""] = ["named-server.c", "until-answered.c"].map(source);
    const [serverProgram = "", clientProgram = ""] = compiled([server, asking]);
    const pods = { ...WEB, client: CLIENT };
    const { cluster, node } = await makeNode({ name: NODE_NAME, nodeIP: NODE_ADDRESS, pods });
    try {
      await linkToControl(control, node, number);
      for (const name of Object.keys(WEB)) {
        const child = node.pod(name).spawn(serverProgram, [String(TARGET_PORT), name]);
        await firstLine(child, name);
      }
      return new World(cluster, node, new Client(node.pod("client").spawn(clientProgram)));
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Removes the namespaces with all processes in them. */
  async close(): Promise<void> {
    await this.#cluster.close();
  }
}

/** `number` tells the links of several nodes apart. */
export async function linkToControl(
  control: Namespace,
  node: Namespace,
  number: number,
): Promise<void> {
  const [near, far] = [`198.19.${number}.2`, `198.19.${number}.1`];
  await ipBatch([
    `link add api netns ${node.name} type veth peer name node${number} netns ${control.name}`,
  ]);
  await ipBatch(
    [`addr add ${far}/30 dev node${number}`, `link set node${number} up`],
    control.name,
  );
  await ipBatch(
    [
      `addr add ${near}/30 dev api`,
      "link set api up",
      `route add ${API_ADDRESS} via ${far} src ${near}`,
    ],
    node.name,
  );
}

function source(file: string): string {
  return new URL(file, import.meta.url).pathname;
}
