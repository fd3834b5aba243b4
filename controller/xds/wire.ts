// Messages of the discovery service, as protos.ts reads and writes them ↔ requests and answers, in
// both protocols.

import { type DeltaRequest, DeltaSubscription } from "./delta-subscription.ts";
import { resourceVersion } from "./snapshot.ts";
import type { DiscoveryRequest } from "./subscription.ts";
import type { Answer, TypeSubscription } from "./type-subscription.ts";
import { WorldSubscription } from "./world-subscription.ts";

export interface AnyWireRequest {
  type_url: string;
  response_nonce: string;
  node: { id: string } | null;
  error_detail: { message: string } | null;
}

interface WireRequest extends AnyWireRequest {
  resource_names: string[];
  version_info: string;
}

interface DeltaWireRequest extends AnyWireRequest {
  resource_names_subscribe: string[];
  resource_names_unsubscribe: string[];
  initial_resource_versions: Record<string, string>;
}

/** The fields of a request in either protocol. */
export interface AnyRequest {
  typeUrl: string;
  nonce: string;
  refusal: string | undefined;
}

export interface Protocol<Wire extends AnyWireRequest, Request extends AnyRequest> {
  requestFrom(wire: Wire): Request;
  wireFrom(answer: Answer): object;
  open(first: Request): TypeSubscription<Request>;
}

export const STATE_OF_THE_WORLD: Protocol<WireRequest, DiscoveryRequest> = {
  requestFrom: (wire) => ({
    ...common(wire),
    names: wire.resource_names,
    version: wire.version_info,
  }),
  wireFrom: ({ typeUrl, version, nonce, resources }) => ({
    type_url: typeUrl,
    version_info: version,
    nonce,
    resources: resources.map(({ value }) => ({ type_url: typeUrl, value })),
  }),
  open: (first) => new WorldSubscription(first),
};

export const INCREMENTAL: Protocol<DeltaWireRequest, DeltaRequest> = {
  requestFrom: (wire) => ({
    ...common(wire),
    subscribed: wire.resource_names_subscribe,
    unsubscribed: wire.resource_names_unsubscribe,
    present: new Map(Object.entries(wire.initial_resource_versions)),
  }),
  wireFrom: ({ typeUrl, version, nonce, resources, removed }) => ({
    type_url: typeUrl,
    system_version_info: version,
    nonce,
    resources: resources.map((resource) => ({
      name: resource.name,
      version: resourceVersion(resource),
      resource: { type_url: typeUrl, value: resource.value },
    })),
    removed_resources: removed,
  }),
  open: (first) => new DeltaSubscription(first),
};

function common({ type_url, response_nonce, error_detail }: AnyWireRequest): AnyRequest {
  return { typeUrl: type_url, nonce: response_nonce, refusal: error_detail?.message };
}
