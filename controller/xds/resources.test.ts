import { expect, test } from "vitest";
import { notEmpty } from "../../test/not-empty.ts";
import { loadProtos, type Resource } from "./protos.ts";
import {
  backendsClusters,
  captureListeners,
  connectionFilters,
  redirectListeners,
  tableFilter,
} from "./resources.ts";
import { DEFAULT_TCP_OPTIONS } from "./tcp-options.ts";

const code = { build: "0123456789ab", wasm: new TextEncoder().encode("\0asm") };
const tcp = { ...DEFAULT_TCP_OPTIONS, connectTimeoutMs: 2_500 };
const backends = { tcp };
const all: Resource[] = [
  ...captureListeners(
    { keep: 15401, host: 15402, local: 15403, masquerade: 15404 },
    ["IPv4", "IPv6"],
    tcp,
  ),
  ...redirectListeners({ keep: 15405, masquerade: 15406, local: 15407 }, ["IPv6"], tcp),
  ...backendsClusters(backends),
  tableFilter(code),
  ...connectionFilters(code, tcp),
];

test("the resources of a node", async () => {
  const text = JSON.stringify(all, showBytes, 2);
  await expect(`${text}\n`).toMatchFileSnapshot("golden/resources.json");
});

test("no listener of a family that the node does not have", () => {
  const ports = { keep: 1, host: 2, local: 3, masquerade: 4 };
  const names = captureListeners(ports, ["IPv4"], tcp).map(({ name }) => name);
  expect(names).toEqual(["capture-keep", "capture-host", "capture-local", "capture-masquerade"]);
});

test("the marks of connections to backends", () => {
  const clusters = backendsClusters({ ...backends, mark: 0x40, masqueradedMark: 0x60 });
  const marks = clusters.map(({ name, upstream_bind_config }) => {
    return [name, (upstream_bind_config as { socket_options: object[] }).socket_options];
  });
  expect(marks).toMatchObject([
    ["backends", [{ level: 1, name: 36, int_value: 0x40 }]],
    ["backends-masqueraded", [{ level: 1, name: 36, int_value: 0x60 }]],
  ]);
});

test("every field is one that Envoy's definitions have", () => {
  const { encode, decode } = loadProtos();
  for (const resource of notEmpty(all, "resources")) {
    const { "@type": _, ...fields } = resource;
    expect(decode(encode(resource))).toMatchObject(fields);
  }
});

function showBytes(_key: string, value: unknown): unknown {
  const isBuffer = (value as { type?: string } | null)?.type === "Buffer";
  return isBuffer ? `${(value as { data: number[] }).data.length} bytes` : value;
}
