// What a function may call: the API's functions, with their types and prices. Their meaning, as a
// function's author sees it, is in functions/api; functions/README.md says how to add one.
//
// A module imports them from "portico/1"; 1 is the version. Within a version functions are only
// added. The plugin exports each under the prefix API_EXPORT; the linker calls that export directly
// and takes it out of the linked module. `length` and `state` are no calls: the linker writes a
// global and a number in their place.

import { F64, I32, I64 } from "./opcodes.ts";

export const API_MODULE = "portico/1";
export const API_EXPORT = "api_";

/** A function of the API, as the linker checks it. */
export interface ApiFunction {
  /** Value types (opcodes.ts). */
  readonly params: readonly number[];
  readonly results: readonly number[];
  /** Fuel of a call: about the time of that many instructions, 0.5 ns each. */
  readonly price: number;
}

function api(price: number, params: readonly number[], result: number): ApiFunction {
  return { params, results: [result], price };
}

/**
 * By name. A backend is named by its index in the list, from 0; -1 stands for none. An address is
 * that of a backend by its index, of the client (-1) or of the frontend (-2).
 */
export const API: ReadonlyMap<string, ApiFunction> = new Map([
  // Numbers of the call: no calls.
  ["length", api(1, [], I32)],
  ["state", api(1, [], I32)],
  // Choices: an index, or -1.
  ["any", api(10, [], I32)],
  ["anyOf", api(40, [I32], I32)],
  // At most four times in a pick, then -1: it looks at all backends.
  ["byHash", api(60, [I32], I32)],
  ["find", api(60, [I64, I64, I32], I32)],
  ["random", api(10, [I32], I32)],
  // An address in 16 bytes, IPv4 as ::ffff:a.b.c.d; its port; a hash of both.
  ["addressHigh", api(20, [I32], I64)],
  ["addressLow", api(20, [I32], I64)],
  ["port", api(10, [I32], I32)],
  ["hash", api(30, [I32], I32)],
  // Of a backend.
  ["flags", api(10, [I32], I32)],
  ["zone", api(10, [I32], I32)],
  ["node", api(10, [I32], I32)],
  ["group", api(10, [I32], I32)],
  ["open", api(30, [I32], I32)],
  ["opened", api(30, [I32], I32)],
  ["failures", api(30, [I32], I32)],
  ["connectTime", api(30, [I32], I32)],
  // Of the list, of the node and its clock.
  ["groups", api(10, [], I32)],
  ["groupSize", api(10, [I32], I32)],
  ["ownZone", api(10, [], I32)],
  ["seconds", api(400, [], F64)],
  ["unixSeconds", api(400, [], F64)],
]);

const INLINED: ReadonlySet<string> = new Set(["length", "state"]);

/** Reports whether the linker writes it itself, so that no plugin has to offer it. */
export function isInlined(name: string): boolean {
  return INLINED.has(name);
}

/** The plugin imports these from HOOK_MODULE; the linked module defines them. */
export const HOOK_MODULE = "functions";
export const PICK_HOOK = "pick";
export const FUEL_LEFT_HOOK = "fuel_left";

/** How much fuel one pick gets, by the number of backends. */
export const FUEL_BASE = 20_000;
export const FUEL_PER_BACKEND = 200;
export const FUEL_LIMIT = 200_000;

/** Returns the fuel of one pick among so many backends. */
export function fuelFor(backends: number): number {
  return Math.min(FUEL_BASE + FUEL_PER_BACKEND * backends, FUEL_LIMIT);
}
