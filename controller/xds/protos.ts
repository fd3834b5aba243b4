// Envoy's protobuf definitions → the discovery service, and an encoder for the resources that
// Portico builds. protos/descriptors.json has those that it uses, made from Envoy's .proto files by
// test/envoy-protos.ts: to parse those took 0.3 s and 30 MB of each start.

import type { ServiceDefinition } from "@grpc/grpc-js";
import protobuf from "protobufjs/light.js";
import descriptors from "./protos/descriptors.json" with { type: "json" };
import type { EncodedResource } from "./snapshot.ts";

/**
 * A resource as an object with the protobuf names of its fields. "@type" is its type URL, here and
 * in every google.protobuf.Any inside; durations are {seconds, nanos}, wrapped scalars {value}.
 */
export interface Resource {
  "@type": string;
  [field: string]: unknown;
}

export interface Protos {
  /** envoy.service.discovery.v3.AggregatedDiscoveryService */
  discoveryService: ServiceDefinition;
  /** Throws on a field whose value does not fit its type. */
  encode(resource: Resource): EncodedResource;
  /** Returns what Envoy reads in the bytes; a field without a definition is missing in it. */
  decode(encoded: EncodedResource): object;
}

const DISCOVERY = "envoy.service.discovery.v3";
/** A field that is absent in the bytes has its default; a Resource's form for the others. */
const AS_RESOURCE = { longs: Number, enums: String, defaults: true, json: true };

let loaded: Protos | undefined;

/** Loads them once. */
export function loadProtos(): Protos {
  loaded ??= protosOf(protobuf.Root.fromJSON(descriptors));
  return loaded;
}

/** Returns them by these definitions, which may be more than Portico uses. */
export function protosOf(root: protobuf.Root): Protos {
  const messageOf = (typeUrl: string) => {
    const message = root.lookup(typeUrl.slice(typeUrl.indexOf("/") + 1));
    if (message instanceof protobuf.Type) return message;
    throw new Error(`${typeUrl}: no protobuf definition; see test/envoy-protos.ts`);
  };
  return {
    discoveryService: {
      StreamAggregatedResources: methodOf(root, "StreamAggregatedResources", "Discovery"),
      DeltaAggregatedResources: methodOf(root, "DeltaAggregatedResources", "DeltaDiscovery"),
    },
    encode(resource) {
      const typeUrl = resource["@type"];
      return { typeUrl, name: nameOf(resource), value: bytesOf(messageOf(typeUrl), resource) };
    },
    decode: ({ typeUrl, value }) => objectOf(messageOf(typeUrl), value),
  };
}

function methodOf(root: protobuf.Root, name: string, messages: string): ServiceDefinition[string] {
  const request = root.lookupType(`${DISCOVERY}.${messages}Request`);
  const response = root.lookupType(`${DISCOVERY}.${messages}Response`);
  return {
    path: `/${DISCOVERY}.AggregatedDiscoveryService/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: object) => bytesOf(request, message),
    requestDeserialize: (bytes) => objectOf(request, bytes),
    responseSerialize: (message: object) => bytesOf(response, message),
    responseDeserialize: (bytes) => objectOf(response, bytes),
  };
}

function bytesOf(type: protobuf.Type, fields: object): Buffer {
  return type.encode(type.fromObject(fields)).finish() as Buffer;
}

function objectOf(type: protobuf.Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), AS_RESOURCE);
}

/** An endpoint assignment is named after its cluster. */
function nameOf(resource: Resource): string {
  return String(resource.name ?? resource.cluster_name);
}
