// UDP listeners → where those of each frontend are bound, which the kernel rules need.

import { frontendAddressFrom } from "../node/frontend-key.ts";
import { LISTENER_KINDS, type ListenerKind } from "../node/hand-over.ts";
import type { FrontendAddress, FrontendKey } from "../node/types.ts";
import type { UdpBinding, UdpBindings } from "../node/udp-binding.ts";
import { roleOfListener, type UdpListener } from "./udp-target.ts";

/** Returns the binding of a frontend with these listeners, which are at least one. */
export function udpBindingOf(
  { family, address, port, protocol }: FrontendAddress,
  listeners: readonly Pick<UdpListener, "kind" | "address">[],
): UdpBinding {
  const bound = Object.fromEntries(listeners.map(({ kind, address: at }) => [kind, at]));
  return { family, address, port, protocol, bound };
}

/** Returns the bindings of listeners that an Envoy already has. */
export function udpBindingsOfPresent(
  present: Iterable<Pick<UdpListener, "name" | "address">>,
): UdpBindings {
  const listeners = new Map<FrontendKey, { kind: ListenerKind; address: string }[]>();
  for (const { name, address } of present) {
    const role = roleOfListener(name, address);
    const kind = LISTENER_KINDS.find((each) => role?.startsWith(`udp-${each}/`));
    const key = role?.slice(`udp-${kind}/`.length) ?? "";
    if (kind) listeners.set(key, [...(listeners.get(key) ?? []), { kind, address }]);
  }
  const bindings = new Map<FrontendKey, UdpBinding>();
  for (const [key, own] of listeners) {
    const frontend = frontendAddressFrom(key);
    if (frontend) bindings.set(key, udpBindingOf(frontend, own));
  }
  return bindings;
}
