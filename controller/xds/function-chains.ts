// Capture listeners → the same with a second filter chain, for connections to the frontends whose
// backends functions pick: so functions run in VMs of their own, and what goes wrong there reaches
// no other Service. Which chain a connection gets is decided by its destination, before any filter.
// Pure.
//
// Envoy changes the matcher of a running listener in place, and keeps all connections, as long as
// the chains stay as they are (docs/decisions/0067).

import type { FrontendAddress } from "../node/types.ts";
import { byEcds } from "./by-ecds.ts";
import type { Resource } from "./protos.ts";
import { functionFilterOf, NETWORK_WASM_TYPE } from "./resources.ts";

const PLAIN = "plain";
const FUNCTIONS = "functions";
const INPUTS = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3";

interface FilterChain {
  filters: { name: string }[];
}

/** Returns capture listeners in which no frontend has a function yet. */
export function withFunctionChains(listeners: readonly Resource[]): Resource[] {
  return listeners.map((listener) => {
    const [plain] = listener.filter_chains as [FilterChain];
    const [connection, ...others] = plain.filters;
    if (!connection) throw new Error(`${listener.name} has no filter`);
    const functions = byEcds(functionFilterOf(connection.name), NETWORK_WASM_TYPE);
    return {
      ...listener,
      filter_chains: [
        { name: PLAIN, ...plain },
        { name: FUNCTIONS, filters: [functions, ...others] },
      ],
      filter_chain_matcher: matcherOf([]),
    };
  });
}

/** Where connections come in, canonical. */
export type FunctionFrontend = Pick<FrontendAddress, "address" | "port">;

/**
 * Returns the listeners with these frontends led to functions; those without a chain for functions
 * unchanged, such as the ones that an earlier controller gave to Envoy.
 */
export function leadToFunctions(
  listeners: readonly Resource[],
  frontends: readonly FunctionFrontend[],
): Resource[] {
  const matcher = matcherOf(frontends);
  return listeners.map((listener) =>
    listener.filter_chain_matcher ? { ...listener, filter_chain_matcher: matcher } : listener,
  );
}

/** By address, then by port; sorted, so that the same frontends give the same bytes. */
function matcherOf(frontends: readonly FunctionFrontend[]): object {
  const otherwise = { on_no_match: chain(PLAIN) };
  const ports = Map.groupBy(frontends, ({ address }) => address);
  if (ports.size === 0) return otherwise;
  const addresses = [...ports].sort(([one], [other]) => (one < other ? -1 : 1));
  const map = addresses.map(([address, at]) => [address, { matcher: portMatcher(at) }] as const);
  return { matcher_tree: tree("DestinationIPInput", map), ...otherwise };
}

function portMatcher(frontends: readonly FunctionFrontend[]): object {
  const ports = [...new Set(frontends.map(({ port }) => port))].sort((one, other) => one - other);
  const map = ports.map((port) => [String(port), chain(FUNCTIONS)] as const);
  return { matcher_tree: tree("DestinationPortInput", map) };
}

function tree(input: string, map: readonly (readonly [string, object])[]): object {
  return {
    input: { name: input, typed_config: { "@type": `${INPUTS}.${input}` } },
    exact_match_map: { map: Object.fromEntries(map) },
  };
}

function chain(name: string): object {
  const value = { "@type": "type.googleapis.com/google.protobuf.StringValue", value: name };
  return { action: { name, typed_config: value } };
}
