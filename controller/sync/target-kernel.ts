// The node view's part for the kernel, what the table cannot serve, and where UDP listeners are
// bound → what the kernel should have, entry by entry or as a whole. Pure.

import type { KernelTarget } from "../capture/kernel-target.ts";
import type { CapturedFrontend, CaptureSet, FrontendKey, TextSet } from "../node/types.ts";
import type { UdpBinding, UdpBindings } from "../node/udp-binding.ts";

export interface KernelParts {
  captureSet: CaptureSet;
  /** Frontends that the table cannot serve. */
  leftOut: ReadonlySet<FrontendKey>;
  udpBindings: UdpBindings;
  formerUdpBindings: UdpBindings;
}

/** The part of a kernel target that an entry belongs to. Each entry has a key. */
export type KernelPart = keyof KernelTarget;

export const KERNEL_PARTS: readonly KernelPart[] = [
  "frontends",
  "clusterIPs",
  "serviceCIDRs",
  "localBackendAddresses",
  "udpBindings",
  "formerUdpBindings",
];

/** A kernel target of one's own. */
export class OwnKernelTarget implements KernelTarget {
  readonly frontends = new Map<FrontendKey, CapturedFrontend>();
  readonly clusterIPs = new Set<string>();
  readonly serviceCIDRs = new Set<string>();
  readonly localBackendAddresses = new Set<string>();
  readonly udpBindings = new Map<FrontendKey, UdpBinding>();
  readonly formerUdpBindings = new Map<FrontendKey, UdpBinding>();

  get(part: KernelPart, key: string): unknown {
    return valueIn(this[part], key);
  }

  /** Undefined removes the entry. */
  set(part: KernelPart, key: string, value: unknown): void {
    const entries: Map<string, unknown> | Set<string> = this[part];
    if (value === undefined) entries.delete(key);
    else if (entries instanceof Set) entries.add(key);
    else entries.set(key, value);
  }
}

/** What the kernel should have, as one looks. It refuses what nothing could answer. */
export class WantedInKernel {
  readonly #parts: KernelParts;
  /** Frontends that would go to listeners which Envoy does not have. */
  readonly #deaf: ReadonlySet<FrontendKey>;

  constructor(parts: KernelParts, missing: readonly { frontend: FrontendKey }[]) {
    this.#parts = parts;
    this.#deaf = new Set(missing.map(({ frontend }) => frontend));
  }

  /** Returns the value of an entry; undefined when there is none. Equal values mean the same. */
  get(part: KernelPart, key: string): unknown {
    if (part === "udpBindings" && this.#deaf.has(key)) return undefined;
    const value = valueIn(sourceOf(part, this.#parts), key);
    const isRefused = part === "frontends" && (this.#parts.leftOut.has(key) || this.#deaf.has(key));
    return value && isRefused ? { ...(value as CapturedFrontend), verdict: "refuse" } : value;
  }

  /** Returns a copy of everything. */
  whole(): OwnKernelTarget {
    const target = new OwnKernelTarget();
    for (const part of KERNEL_PARTS) {
      for (const key of keysIn(sourceOf(part, this.#parts)))
        target.set(part, key, this.get(part, key));
    }
    return target;
  }

  /**
   * Returns the keys of a part that may have another value than in `former`, apart from what was
   * reported as changed: none where both look at the same objects.
   */
  *doubtfulSince(former: WantedInKernel, part: KernelPart): Generator<string> {
    const [before, now] = [sourceOf(part, former.#parts), sourceOf(part, this.#parts)];
    if (before !== now) yield* [...keysIn(before), ...keysIn(now)];
    if (part !== "frontends" && part !== "udpBindings") return;
    yield* former.#deaf.symmetricDifference(this.#deaf);
    const { leftOut } = this.#parts;
    if (leftOut !== former.#parts.leftOut) yield* former.#parts.leftOut.union(leftOut);
  }
}

type Entries = ReadonlyMap<string, unknown> | TextSet;

function sourceOf(part: KernelPart, { captureSet, ...bindings }: KernelParts): Entries {
  if (part === "udpBindings" || part === "formerUdpBindings") return bindings[part];
  return captureSet[part];
}

function keysIn(entries: Entries): Iterable<string> {
  return "keys" in entries ? entries.keys() : entries;
}

function valueIn(entries: Entries, key: string): unknown {
  return "get" in entries ? entries.get(key) : entries.has(key) || undefined;
}
