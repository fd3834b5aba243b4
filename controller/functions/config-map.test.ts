import { expect, it } from "vitest";
import { parse } from "yaml";
import { functionName } from "./compile.ts";
import { configMapOf } from "./config-map.ts";

it("holds source, module and source map of each function", () => {
  const module = { name: "split", wasm: Uint8Array.from([0, 97]), sourceMap: "{}" };
  const source = "// Splits.\nexport function pick() {}\n";
  expect(parse(configMapOf("functions", "shop", [{ module, source }]))).toEqual({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "functions", namespace: "shop" },
    data: { "split.ts": source, "split.wasm.map": "{}" },
    binaryData: { "split.wasm": "AGE=" },
  });
  expect(parse(configMapOf("f", undefined, [{ module, source }])).metadata).toEqual({ name: "f" });
});

it("is not larger than Kubernetes takes", () => {
  const module = { name: "large", wasm: new Uint8Array(900_000) };
  expect(() => configMapOf("f", undefined, [{ module, source: "" }])).toThrow("a ConfigMap holds");
});

it("names a function by its file", () => {
  expect(functionName("functions/least-open.ts")).toBe("least-open");
  for (const wrong of ["Pick.ts", "pick.js", "a b.ts", "-a.ts", `${"x".repeat(64)}.ts`, ".ts"]) {
    expect(() => functionName(wrong)).toThrow("cannot be a function's file");
  }
});
