// What of connections is to be logged → Envoy's access logs: one JSON line for each TCP connection
// or UDP flow, when it has ended. Envoy writes them itself, so that nothing of the controller's is
// on the way, and none is lost while it is away. Pure.
//
// Which Service a connection went to, the plugin says in filter state (its option "names"); of a
// UDP listener it is known.

import type { ObjectKey } from "../model/types.ts";
import type { Resource } from "./protos.ts";
import type { UdpListener } from "./udp-target.ts";

export interface FlowLogOptions {
  /** A path that Envoy can write; "-": its standard output. */
  file: string;
  /** Of all connections, this part: more than 0, at most 1. */
  sample: number;
  /** Only to these; to all when empty. */
  services: readonly ObjectKey[];
}

const LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers";
/** What a sample is counted in. */
const MILLION = 1_000_000;
/** Nobody sets it; Envoy wants a name. */
const SAMPLE_RUNTIME_KEY = "portico.flow_log_sample";
const TIME = "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%";

/** Set by the plugin: "namespace/name:port name", or without the latter where it has none. */
const SERVICE_STATE = "envoy.string";

/** UpstreamConnectionFailure of Envoy's response flags is bit 5; CEL has no bits. */
const HAS_FAILED = "response.flags % 64 >= 32";
const FAILURE = "upstream.transport_failure_reason";
/** Envoy has no words for a connect timeout of its own. */
const IS_REFUSED = `${FAILURE}.contains('refused')`;
const FAILED_VERDICT = `${FAILURE} == '' ? 'timeout' : (${IS_REFUSED} ? 'refused' : 'unreachable')`;
const SERVED_VERDICT = "has(upstream.address) ? 'forwarded' : 'no-backend'";

/** Of the tcp_proxy of the capture listeners. */
export function tcpFlowLog(options: FlowLogOptions): object {
  const format = {
    time: TIME,
    protocol: "TCP",
    client: "%DOWNSTREAM_REMOTE_ADDRESS%",
    frontend: "%DOWNSTREAM_LOCAL_ADDRESS%",
    service: `%FILTER_STATE(${SERVICE_STATE}:PLAIN)%`,
    backend: "%UPSTREAM_HOST%",
    verdict: `%CEL(${HAS_FAILED} ? (${FAILED_VERDICT}) : (${SERVED_VERDICT}))%`,
    reason: `%CEL(${FAILURE})%`,
    flags: "%RESPONSE_FLAGS%",
    receivedBytes: "%BYTES_RECEIVED%",
    sentBytes: "%BYTES_SENT%",
    durationMs: "%DURATION%",
  };
  const services = options.services.length === 0 ? [] : [ofServices(options.services)];
  return accessLog(options, format, services);
}

/** Of the udp_proxy of a listener; none where its Service is not wanted. */
export function udpFlowLog(
  options: FlowLogOptions,
  { service, portName, frontend }: UdpListener,
): object[] {
  if (options.services.length > 0 && !options.services.includes(service)) return [];
  const counted = (name: string) => `%DYNAMIC_METADATA(udp.proxy.session:${name})%`;
  const format = {
    time: TIME,
    protocol: "UDP",
    client: "%DOWNSTREAM_REMOTE_ADDRESS%",
    // The listener's own address is one that nobody dials.
    frontend: frontend.replace(/\/UDP$/, ""),
    service: portName === "" ? service : `${service}:${portName}`,
    backend: "%UPSTREAM_HOST%",
    verdict: `%CEL(${SERVED_VERDICT})%`,
    flags: "%RESPONSE_FLAGS%",
    receivedBytes: counted("bytes_received"),
    sentBytes: counted("bytes_sent"),
    receivedDatagrams: counted("datagrams_received"),
    sentDatagrams: counted("datagrams_sent"),
    durationMs: "%DURATION%",
  };
  return [accessLog(options, format, [])];
}

function accessLog({ file, sample }: FlowLogOptions, format: object, filters: object[]): object {
  const log_format = { json_format: structOf(format), omit_empty_values: true };
  const typed_config: Resource =
    file === "-"
      ? { "@type": `${LOGGERS}.stream.v3.StdoutAccessLog`, log_format }
      : { "@type": `${LOGGERS}.file.v3.FileAccessLog`, path: file, log_format };
  const all = [...(sample < 1 ? [sampled(sample)] : []), ...filters];
  const [only, ...others] = all;
  const filter = others.length > 0 ? { and_filter: { filters: all } } : only;
  return { name: "flows", typed_config, ...(filter && { filter }) };
}

/** As google.protobuf.Struct, whose definition protobufjs brings along, with its own names. */
function structOf(fields: object): object {
  const pairs = Object.entries(fields).map(([name, text]) => [name, { stringValue: text }]);
  return { fields: Object.fromEntries(pairs) };
}

function sampled(sample: number): object {
  const numerator = Math.max(1, Math.round(sample * MILLION));
  return {
    runtime_filter: {
      runtime_key: SAMPLE_RUNTIME_KEY,
      percent_sampled: { numerator, denominator: "MILLION" },
      use_independent_randomness: true,
    },
  };
}

/**
 * Names of Kubernetes need no escaping. The state is bytes, and this CEL turns no bytes into text:
 * what begins with "shop/web:" is what lies between that and "shop/web;".
 */
function ofServices(services: readonly ObjectKey[]): object {
  const name = `filter_state["${SERVICE_STATE}"]`;
  const each = services.flatMap((service) => [
    `${name} == b"${service}"`,
    `(${name} >= b"${service}:" && ${name} < b"${service};")`,
  ]);
  const typed_config: Resource = {
    "@type": `${LOGGERS}.filters.cel.v3.ExpressionFilter`,
    expression: each.join(" || "),
  };
  return { extension_filter: { name: "services", typed_config } };
}
