// What a rule of the plugin test is, what it may find, and how it says so.

import { isDeepStrictEqual } from "node:util";
import { type HostOptions, WasmHost } from "../wasm/host.ts";

export interface Rule {
  /** A sentence about the plugin, without its subject: what is so where the rule holds. */
  name: string;
  /** What happens in Envoy or in a cluster where it does not. */
  otherwise: string;
  /** Nothing that comes after it can be judged where it does not hold. */
  isGround?: boolean;
  /** Returns when the rule holds; throws Lacks, or anything else when it is broken. */
  judge(trial: Trial): Promise<void> | void;
}

/** The plugin breaks the rule; the message says what it did and what it has to do. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** The plugin does not offer what the rule is about, which it need not. */
export class Lacks extends Error {
  override readonly name = "Lacks";
}

/** The build that every host of a trial has in its configuration. */
export const BUILD = "0123456789ab";

/** One rule's look at the plugin. */
export class Trial {
  readonly wasm: Uint8Array;
  /** What the rule saw that a reader may want to know, though it holds. */
  readonly notes: string[] = [];

  constructor(wasm: Uint8Array) {
    this.wasm = wasm;
  }

  /** A host with new VMs of the plugin. */
  host(options: HostOptions = {}): Promise<WasmHost> {
    return WasmHost.load(this.wasm, { build: BUILD, ...options });
  }

  note(text: string): void {
    this.notes.push(text);
  }
}

/** Breaks the rule unless both are the same. */
export function expectSame(what: string, found: unknown, wanted: unknown): void {
  if (isDeepStrictEqual(found, wanted)) return;
  throw new Broken(`${what}: ${shown(found)}, and has to be ${shown(wanted)}`);
}

/** Breaks the rule unless `found` is one of the list. */
export function expectOneOf(what: string, found: unknown, wanted: readonly unknown[]): void {
  if (wanted.some((each) => isDeepStrictEqual(found, each))) return;
  const list = wanted.slice(0, 5).map(shown).join(", ");
  const more = wanted.length > 5 ? `, … (${wanted.length})` : "";
  throw new Broken(`${what}: ${shown(found)}, and has to be one of ${list}${more}`);
}

export function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
