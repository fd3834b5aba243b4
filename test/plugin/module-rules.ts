// Rules that the module's bytes alone can break.

import { checkPlugin } from "../../controller/xds/check-plugin.ts";
import { ENVOY_CALLBACKS, ENVOY_FUNCTIONS } from "../wasm/envoy-abi.ts";
import { Broken, Lacks, type Rule } from "./rule.ts";
import { shownType, typesOf } from "./wasm-types.ts";

const BYTE_CALLBACKS = ["proxy_on_downstream_data", "proxy_on_upstream_data"];

function expectTypes(
  found: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
  verb: string,
): void {
  for (const [name, type] of found) {
    const right = wanted.get(name);
    if (right === undefined || right === type) continue;
    const types = `${shownType(type)}, and Envoy's type is ${shownType(right)}`;
    throw new Broken(`it ${verb} ${name} as ${types}`);
  }
}

export const MODULE_RULES: readonly Rule[] = [
  {
    name: "is a module of proxy-wasm 0.2.1 with the callbacks that Portico needs",
    otherwise: "`portico plugin load` refuses it",
    isGround: true,
    async judge({ wasm }) {
      await checkPlugin(wasm);
    },
  },
  {
    name: "imports only functions that Envoy has, with their types",
    otherwise: "Envoy refuses to load it, and names the first such function in its log",
    judge({ wasm }) {
      const { imports } = typesOf(wasm);
      const unknown = [...imports.keys()].filter((name) => !ENVOY_FUNCTIONS.has(name));
      if (unknown.length > 0) throw new Broken(`Envoy has no ${unknown.join(", ")}`);
      expectTypes(imports, ENVOY_FUNCTIONS, "imports");
    },
  },
  {
    name: "exports callbacks with the types by which Envoy calls them",
    otherwise: "Envoy refuses to load it: Bad function signature",
    judge({ wasm }) {
      expectTypes(typesOf(wasm).exports, ENVOY_CALLBACKS, "exports");
    },
  },
  {
    name: "leaves the bytes of connections to Envoy",
    otherwise: "each piece of each connection is copied for a callback, both ways",
    judge({ wasm }) {
      const { exports } = typesOf(wasm);
      const costly = BYTE_CALLBACKS.filter((name) => exports.has(name));
      if (costly.length > 0) throw new Lacks(`it exports ${costly.join(" and ")}`);
    },
  },
];
