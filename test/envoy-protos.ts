// Envoy's .proto files, as they come with @grpc/grpc-js-xds → all their definitions, and the few of
// them that Portico uses: the content of controller/xds/protos/descriptors.json.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import protobuf from "protobufjs";
import { PACKAGE_ROOT } from "../controller/system/package-root.ts";

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
  "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
  "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.proto",
  "envoy/extensions/filters/udp/udp_proxy/v3/route.proto",
  "envoy/extensions/matching/common_inputs/network/v3/network_inputs.proto",
  "envoy/extensions/access_loggers/file/v3/file.proto",
  "envoy/extensions/access_loggers/stream/v3/stream.proto",
  "envoy/extensions/access_loggers/filters/cel/v3/cel.proto",
];

/**
 * The messages that are kept, with those of their fields whose type is a scalar, an enum or one of
 * these. To use another one: add it here, and its file above if that is not imported there.
 */
const MESSAGES: ReadonlySet<string> = new Set(
  [
    ...named("envoy.service.discovery.v3", [
      ...["DiscoveryRequest", "DiscoveryResponse", "Resource"],
      ...["DeltaDiscoveryRequest", "DeltaDiscoveryResponse"],
    ]),
    ...named("envoy.config.listener.v3", [
      ...["Listener", "FilterChain", "Filter", "ListenerFilter", "UdpListenerConfig"],
    ]),
    ...named("envoy.config.cluster.v3", [
      ...["Cluster", "Cluster.CommonLbConfig", "Cluster.EdsClusterConfig"],
      ...["Cluster.RingHashLbConfig", "CircuitBreakers", "CircuitBreakers.Thresholds"],
      "UpstreamConnectionOptions",
    ]),
    ...named("envoy.config.endpoint.v3", [
      ...["ClusterLoadAssignment", "ClusterLoadAssignment.Policy", "Endpoint", "LbEndpoint"],
      "LocalityLbEndpoints",
    ]),
    ...named("envoy.config.core.v3", [
      ...["Node", "Address", "SocketAddress", "BindConfig", "SocketOption", "TcpKeepalive"],
      ...["AggregatedConfigSource", "ConfigSource", "ExtensionConfigSource"],
      ...["TypedExtensionConfig", "AsyncDataSource", "DataSource", "UdpSocketConfig"],
      ...["RuntimeFractionalPercent", "SubstitutionFormatString", "BackoffStrategy"],
    ]),
    ...named("envoy.config.accesslog.v3", [
      ...["AccessLog", "AccessLogFilter", "AndFilter", "ExtensionFilter", "RuntimeFilter"],
    ]),
    ...named("envoy.type.v3", ["Percent", "FractionalPercent"]),
    ...named("envoy.extensions.wasm.v3", ["PluginConfig", "VmConfig"]),
    ...named("envoy.extensions.filters", [
      ...["http.wasm.v3.Wasm", "network.wasm.v3.Wasm", "network.tcp_proxy.v3.TcpProxy"],
      ...["listener.original_dst.v3.OriginalDst", "listener.original_src.v3.OriginalSrc"],
      "listener.tls_inspector.v3.TlsInspector",
      ...["udp.udp_proxy.v3.Route", "udp.udp_proxy.v3.UdpProxyConfig"],
      "udp.udp_proxy.v3.UdpProxyConfig.HashPolicy",
    ]),
    ...named("envoy.extensions.access_loggers", [
      ...["file.v3.FileAccessLog", "stream.v3.StdoutAccessLog", "filters.cel.v3.ExpressionFilter"],
    ]),
    ...named("xds.core.v3", ["TypedExtensionConfig"]),
    ...named("xds.type.matcher.v3", [
      ...["Matcher", "Matcher.OnMatch", "Matcher.MatcherTree", "Matcher.MatcherTree.MatchMap"],
    ]),
    ...named("envoy.extensions.matching.common_inputs.network.v3", [
      ...["DestinationIPInput", "DestinationPortInput"],
    ]),
    ...named("google.rpc", ["Status"]),
    ...named("google.protobuf", [
      ...["Any", "Duration", "Struct", "Value", "ListValue"],
      ...["BoolValue", "StringValue", "UInt32Value", "UInt64Value"],
    ]),
  ].map((name) => `.${name}`),
);

function named(prefix: string, names: readonly string[]): string[] {
  return names.map((name) => `${prefix}.${name}`);
}

/** Returns all definitions of the files, and of those that they import. */
export function envoyProtos(): protobuf.Root {
  const directories = includeDirectories();
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    const paths = directories.map((directory) => join(directory, target));
    return paths.find(existsSync) ?? target;
  };
  root.loadSync(FILES, { keepCase: true });
  root.resolveAll();
  return root;
}

/** Our own first: it replaces definitions of the package that are too old. */
function includeDirectories(): string[] {
  const { resolve } = createRequire(import.meta.url);
  const packaged = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"];
  const deps = join(dirname(resolve("@grpc/grpc-js-xds/package.json")), "deps");
  return [
    join(PACKAGE_ROOT, "controller/xds/protos"),
    dirname(resolve("protobufjs/package.json")),
    ...packaged.map((folder) => join(deps, folder)),
  ];
}

/** Returns what Portico uses of them, in protobufjs's JSON; throws when a message is missing. */
export function reducedProtos(root: protobuf.Root): protobuf.INamespace {
  for (const name of MESSAGES) root.lookupType(name);
  const nested = reducedNested(root, enumsInUse(root));
  return { nested };
}

function enumsInUse(root: protobuf.Root): ReadonlySet<protobuf.Enum> {
  const types = [...MESSAGES].map((name) => root.lookupType(name));
  const fields = types.flatMap(({ fieldsArray }) => fieldsArray);
  const resolved = fields.map(({ resolvedType }) => resolvedType);
  return new Set(resolved.filter((type) => type instanceof protobuf.Enum));
}

function reducedNested(
  namespace: protobuf.NamespaceBase,
  enums: ReadonlySet<protobuf.Enum>,
): Record<string, protobuf.AnyNestedObject> {
  const kept: Record<string, protobuf.AnyNestedObject> = {};
  for (const each of namespace.nestedArray) {
    if (each instanceof protobuf.Enum) {
      if (enums.has(each)) kept[each.name] = { values: each.values };
    } else if (each instanceof protobuf.Type) {
      if (MESSAGES.has(each.fullName)) kept[each.name] = reducedType(each, enums);
    } else if (each instanceof protobuf.Namespace) {
      const nested = reducedNested(each, enums);
      if (Object.keys(nested).length > 0) kept[each.name] = { nested };
    }
  }
  return kept;
}

function reducedType(type: protobuf.Type, enums: ReadonlySet<protobuf.Enum>): protobuf.IType {
  const fields = type.fieldsArray.filter(isKept);
  const nested = reducedNested(type, enums);
  const oneofs = type.oneofsArray.map(({ name, oneof }) => {
    return [name, { oneof: oneof.filter((field) => isKept(type.fields[field])) }] as const;
  });
  const present = oneofs.filter(([, { oneof }]) => oneof.length > 0);
  return {
    ...(present.length > 0 && { oneofs: Object.fromEntries(present) }),
    fields: Object.fromEntries(fields.map((field) => [field.name, reducedField(field)])),
    ...(Object.keys(nested).length > 0 && { nested }),
  };
}

function isKept(field: protobuf.Field | undefined): boolean {
  const type = field?.resolvedType;
  return !(type instanceof protobuf.Type) || MESSAGES.has(type.fullName);
}

function reducedField(field: protobuf.Field): protobuf.IField {
  return {
    ...(field.repeated && { rule: "repeated" }),
    ...(field instanceof protobuf.MapField && { keyType: field.keyType }),
    type: field.resolvedType?.fullName ?? field.type,
    id: field.id,
  };
}
