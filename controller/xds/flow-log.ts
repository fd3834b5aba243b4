// Which connections to log → Envoy's access logs: one JSON line for each TCP connection or UDP
// flow, at its end. Envoy writes them itself, so the controller is not involved, and no line is
// lost while it is down. Pure.
//
// The plugin writes the Service of a connection into filter state (its option "names"); a UDP
// listener has only one.

import type { ObjectKey } from "../model/types.ts";
import type { Resource } from "./protos.ts";
import { REFUSING_PREFIX } from "./refusing-names.ts";
import type { UdpListener } from "./udp-target.ts";

export interface FlowLogOptions {
  /** A path that Envoy can write; "-": its standard output. */
  file: string;
  /** The fraction of connections to log: more than 0, at most 1. */
  sample: number;
  /** Logs only connections to these; to all when empty. */
  services: readonly ObjectKey[];
}

const LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers";
/** The denominator of a sample. */
const MILLION = 1_000_000;
/** Nothing sets it; Envoy requires a name. */
const SAMPLE_RUNTIME_KEY = "portico.flow_log_sample";
const TIME = "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%";

/** Set by the plugin: "namespace/name:port name", or "namespace/name" for a port without a name. */
const SERVICE_STATE = "envoy.string";

/**
 * UpstreamConnectionFailure of Envoy's response flags is bit 5, and UpstreamRetryLimitExceeded bit
 * 15; CEL has no bits. The first stays after an attempt that failed, so a connection has failed
 * only if no attempt gave it a local address.
 */
const ATTEMPT_FAILED = "response.flags % 64 >= 32 || response.flags % 65536 >= 32768";
const IS_REFUSED = `xds.cluster_name.startsWith('${REFUSING_PREFIX}')`;
const HAS_FAILED = `(${ATTEMPT_FAILED}) && (!has(upstream.local_address) || ${IS_REFUSED})`;
const FAILURE = "upstream.transport_failure_reason";
/** Envoy has no text for its own connect timeout. */
const DID_REFUSE = `${FAILURE}.contains('refused')`;
const FAILED_VERDICT = `${FAILURE} == '' ? 'timeout' : (${DID_REFUSE} ? 'refused' : 'unreachable')`;
const SERVED_VERDICT = "has(upstream.address) ? 'forwarded' : 'no-backend'";
/** Set by the plugin for a connection that a limit of its Service refused: the limit's name. */
const LIMIT_STATE = "envoy.hashable_string";
const REFUSED_VERDICT = `'${LIMIT_STATE}' in filter_state ? 'limited' : 'no-backend'`;
const VERDICT =
  `${HAS_FAILED} ? (${FAILED_VERDICT}) : ` +
  `(${IS_REFUSED} ? (${REFUSED_VERDICT}) : (${SERVED_VERDICT}))`;

/** Returns the log of the tcp_proxy in the capture listeners. */
export function tcpFlowLog(options: FlowLogOptions): object {
  const format = {
    time: TIME,
    protocol: "TCP",
    client: "%DOWNSTREAM_REMOTE_ADDRESS%",
    frontend: "%DOWNSTREAM_LOCAL_ADDRESS%",
    service: `%FILTER_STATE(${SERVICE_STATE}:PLAIN)%`,
    // Empty where the client was refused …
    backend: `%CEL(${IS_REFUSED} ? '' : upstream.address)%`,
    // … which is the last of these, in the order of the attempts; else that is the backend.
    attempted: "%UPSTREAM_HOSTS_ATTEMPTED%",
    verdict: `%CEL(${VERDICT})%`,
    limit: `%FILTER_STATE(${LIMIT_STATE}:PLAIN)%`,
    reason: `%CEL(${FAILURE})%`,
    flags: "%RESPONSE_FLAGS%",
    receivedBytes: "%BYTES_RECEIVED%",
    sentBytes: "%BYTES_SENT%",
    durationMs: "%DURATION%",
  };
  const services = options.services.length === 0 ? [] : [ofServices(options.services)];
  return accessLog(options, format, services);
}

/** Returns the log of a listener's udp_proxy; none where its Service is not selected. */
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
    // No client dials the listener's own address.
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

/** Returns a google.protobuf.Struct in protobufjs's own definition, which has its own names. */
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
 * Kubernetes names need no escaping. The state is bytes, and this CEL cannot convert bytes to text:
 * a state starts with "shop/web:" if it sorts between that and "shop/web;".
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
