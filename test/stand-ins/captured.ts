// What is captured, by the frontends' keys.

import { frontendAddressFrom } from "../../controller/node/frontend-key.ts";
import type {
  CapturedFrontend,
  CaptureSet,
  FrontendAddress,
  FrontendKey,
  Verdict,
} from "../../controller/node/types.ts";
import type { UdpBinding, UdpBindings } from "../../controller/node/udp-binding.ts";
import type { KernelParts } from "../../controller/sync/target-kernel.ts";

type Captured = CaptureSet["frontends"];

/** Open to everybody, and at no external address, unless `own` says otherwise. */
export function capturedFrontends(
  verdicts: Readonly<Record<FrontendKey, Verdict>>,
  own: Partial<CapturedFrontend> = {},
): Captured {
  const entries = Object.entries(verdicts).map(([key, verdict]) => {
    const frontend = { ...addressOf(key), verdict, allowedSources: [], isExternal: false, ...own };
    return [key, frontend] as const;
  });
  return new Map(entries);
}

/** The same frontends, some of them changed; those must be there. */
export function withCaptured(
  frontends: Captured,
  changes: Readonly<Record<FrontendKey, Partial<CapturedFrontend>>>,
): Captured {
  const next = new Map(frontends);
  for (const [key, change] of Object.entries(changes)) {
    const present = frontends.get(key);
    if (!present) throw new Error(`${key} is not captured`);
    next.set(key, { ...present, ...change });
  }
  return next;
}

/** The same set with other verdicts; undefined for a frontend that is to go. */
export function withVerdicts<Set extends CaptureSet>(
  set: Set,
  changes: Readonly<Record<FrontendKey, Verdict | undefined>>,
): Set {
  const frontends = new Map(set.frontends);
  for (const [key, verdict] of Object.entries(changes)) {
    const present = frontends.get(key) ?? capturedFrontends({ [key]: "keep" }).get(key);
    if (present && verdict) frontends.set(key, { ...present, verdict });
    else frontends.delete(key);
  }
  return { ...set, frontends };
}

/** Of a controller whose Envoy has no UDP listeners. */
export function partsWithoutUdp(captureSet: CaptureSet): KernelParts {
  const none = { udpBindings: new Map(), formerUdpBindings: new Map() };
  return { captureSet, leftOut: new Set(), ...none };
}

export function bindingsAt(bound: Readonly<Record<FrontendKey, UdpBinding["bound"]>>): UdpBindings {
  const entries = Object.entries(bound).map(
    ([key, each]) => [key, { ...addressOf(key), bound: each }] as const,
  );
  return new Map(entries);
}

function addressOf(key: FrontendKey): FrontendAddress {
  const address = frontendAddressFrom(key);
  if (!address) throw new Error(`${key} is not the key of a frontend`);
  return address;
}
