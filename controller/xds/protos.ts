// Envoy's protobuf definitions, from the files that come with @grpc/grpc-js-xds → the discovery
// service, and an encoder for the resources that Portico builds. Loading takes about 0.3 s.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import { PACKAGE_ROOT } from "../package-root.ts";
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
  /** Throws on a field that does not hold what its type says. */
  encode(resource: Resource): EncodedResource;
  /** What Envoy reads in the bytes; a field that no definition has is missing in it. */
  decode(encoded: EncodedResource): object;
}

const FILES = [
  "envoy/service/discovery/v3/ads.proto",
  "envoy/config/listener/v3/listener.proto",
  "envoy/config/cluster/v3/cluster.proto",
  "envoy/config/endpoint/v3/endpoint.proto",
  "envoy/config/core/v3/extension.proto",
  "envoy/extensions/filters/http/wasm/v3/wasm.proto",
  "envoy/extensions/filters/network/wasm/v3/wasm.proto",
  "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
  "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
  "envoy/extensions/filters/listener/original_src/v3/original_src.proto",
  "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.proto",
  "envoy/extensions/filters/udp/udp_proxy/v3/route.proto",
  "envoy/extensions/access_loggers/file/v3/file.proto",
  "envoy/extensions/access_loggers/stream/v3/stream.proto",
  "envoy/extensions/access_loggers/filters/cel/v3/cel.proto",
];

let loaded: Protos | undefined;

/** Loads them once: they take 30 MB. */
export function loadProtos(): Protos {
  loaded ??= load();
  return loaded;
}

function load(): Protos {
  const definitions = loadSync(FILES, {
    includeDirs: includeDirectories(),
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    json: true,
  });
  const service = definitions["envoy.service.discovery.v3.AggregatedDiscoveryService"];
  const messageOf = (typeUrl: string) => {
    const message = definitions[typeUrl.slice(typeUrl.indexOf("/") + 1)];
    if (!message) throw new Error(`${typeUrl}: no protobuf definition; add its file to FILES`);
    return message as MessageTypeDefinition<object, object>;
  };
  return {
    discoveryService: service as unknown as ServiceDefinition,
    encode(resource) {
      const typeUrl = resource["@type"];
      return { typeUrl, name: nameOf(resource), value: messageOf(typeUrl).serialize(resource) };
    },
    decode: ({ typeUrl, value }) => messageOf(typeUrl).deserialize(value),
  };
}

/** Our own first: it replaces definitions of the package that are too old. */
function includeDirectories(): string[] {
  const entry = createRequire(import.meta.url).resolve("@grpc/grpc-js-xds/package.json");
  const packaged = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"];
  return [
    join(PACKAGE_ROOT, "controller/xds/protos"),
    ...packaged.map((folder) => join(dirname(entry), "deps", folder)),
  ];
}

/** An endpoint assignment is named after its cluster. */
function nameOf(resource: Resource): string {
  return String(resource.name ?? resource.cluster_name);
}
