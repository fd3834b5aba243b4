// The online store of deploy/demo on a node of namespaces, served by Portico with its live page.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { PorticoProcess } from "../real/portico-fixture.ts";

export const PAGE_PORT = 8081;
export const PAGE = `http://127.0.0.1:${PAGE_PORT}/`;
export const SHOTS = join(import.meta.dirname, "../../build/page-shots");
const DEMO = join(import.meta.dirname, "../../deploy/demo");

const PODS: Record<string, { address: string; port: number }> = {
  "frontend-1": { address: "10.1.1.10", port: 8080 },
  "orders-api-1": { address: "10.1.1.21", port: 8080 },
  "orders-api-2": { address: "10.1.1.22", port: 8080 },
  "orders-api-3": { address: "10.1.1.23", port: 8080 },
  "payments-1": { address: "10.1.1.30", port: 9000 },
};

export interface Shop {
  cluster: Cluster;
  node: ClusterNode;
  portico: PorticoProcess;
}

/** The store with its Pods listening; Portico is not started. */
export async function makeShop(): Promise<Shop> {
  const pods = Object.fromEntries(Object.entries(PODS).map(([name, pod]) => [name, pod.address]));
  const { cluster, node } = await makeNode({ name: "node-1", nodeIP: "192.0.2.1", pods });
  for (const [label, pod] of node.pods) await pod.serve({ tcp: PODS[label]?.port ?? 8080 });
  const portico = new PorticoProcess(node);
  cpSync(DEMO, portico.manifests, { recursive: true });
  return { cluster, node, portico };
}

/** Edits a manifest as a person would; throws when there is nothing to replace. */
export function edit({ portico }: Shop, file: string, before: string, after: string): void {
  const path = join(portico.manifests, file);
  const text = readFileSync(path, "utf8");
  if (!text.includes(before)) throw new Error(`${file} has no ${before}`);
  writeFileSync(path, text.replace(before, after));
}

/** As it ships. */
export function restore({ portico }: Shop): void {
  cpSync(DEMO, portico.manifests, { recursive: true });
}
