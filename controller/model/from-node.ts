// A Node as the API or a YAML file has it → a Node of the model. A Node's status changes every few
// seconds; what is kept of it changes almost never.

import { parseAddress, parseCIDR } from "./ip.ts";
import { listOf, ObjectReader, type Parsed, recordOf, shown, textOf, textsOf } from "./json.ts";
import type { Node } from "./types.ts";

/**
 * Returns no value for a Node without a name. Leaves out bad CIDRs, each with a problem; addresses
 * that are names, which Kubernetes allows, with a harmless one.
 */
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
  const own = records.filter((record) => record.type === type);
  return own.flatMap(({ address }) => {
    const parsed = parseAddress(textOf(address).trim());
    if (parsed !== undefined) return [parsed];
    const given = `status.addresses: the ${type} ${shown(address)}`;
    if (typeof address !== "string") reader.problem(`${given} must be a text`);
    else reader.leftOut(`${given} is not an IP address and is ignored; the kubelet sets it`);
    return [];
  });
}

/** As in kube-proxy (config.NodeTopologyConfig): other labels change too often to be watched. */
function topologyLabels(labels: ObjectReader["labels"]): Record<string, string> {
  const entries = Object.entries(textsOf(labels));
  return Object.fromEntries(entries.filter(([key]) => key.startsWith("topology.kubernetes.io/")));
}
