// A Node as the API or a YAML file has it → a Node of the model. A Node's status changes every few
// seconds; what is kept of it changes almost never.

import { parseAddress, parseCIDR } from "./ip.ts";
import { listOf, ObjectReader, type Parsed, recordOf, textOf, textsOf } from "./json.ts";
import type { Node } from "./types.ts";

/** No value: it has no name. Bad addresses are left out, each with a problem. */
export function nodeFromObject(json: unknown): Parsed<Node> {
  const reader = new ObjectReader("Node", json, false);
  const { metadata, spec } = reader;
  const podCIDRs = listOf(spec.podCIDRs);
  const cidrs = podCIDRs.length === 0 && spec.podCIDR ? [spec.podCIDR] : podCIDRs;
  const taints = listOf(spec.taints).map((taint) => textOf(recordOf(taint).key));
  return reader.result({
    name: reader.name,
    addresses: [...addressesOfType(reader, "InternalIP"), ...addressesOfType(reader, "ExternalIP")],
    podCIDRs: reader.parsedTexts("spec.podCIDRs", cidrs, parseCIDR),
    labels: topologyLabels(reader.labels),
    taintKeys: taints.filter((key) => key !== ""),
    deleting: textOf(metadata.deletionTimestamp) !== "",
  });
}

function addressesOfType(reader: ObjectReader, type: string): string[] {
  const records = listOf(reader.status.addresses).map(recordOf);
  const texts = records.filter((record) => record.type === type).map((record) => record.address);
  return reader.parsedTexts(`status.addresses of type ${type}`, texts, parseAddress);
}

/** As kube-proxy does (config.NodeTopologyConfig): other labels change too often to be watched. */
function topologyLabels(labels: ObjectReader["labels"]): Record<string, string> {
  const entries = Object.entries(textsOf(labels));
  return Object.fromEntries(entries.filter(([key]) => key.startsWith("topology.kubernetes.io/")));
}
