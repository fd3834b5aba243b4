// Where Envoy's UDP listeners of a frontend are bound. `xds` binds them, `capture` leads to them,
// and neither imports the other. Types only.

import type { ListenerKind } from "./hand-over.ts";
import type { FrontendAddress, FrontendKey } from "./types.ts";

export interface UdpBinding extends FrontendAddress {
  /** The address of each of its listeners. */
  bound: Readonly<Partial<Record<ListenerKind, string>>>;
}

export type UdpBindings = ReadonlyMap<FrontendKey, UdpBinding>;
