import { expect, test } from "vitest";
import { notEmpty } from "../../test/not-empty.ts";
import { loadProtos, type Resource } from "./protos.ts";
import {
  backendsCluster,
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
  ...captureListeners({ keep: 15401, masquerade: 15402, local: 15403 }, ["IPv4", "IPv6"], tcp),
  ...redirectListeners({ keep: 15405, masquerade: 15406, local: 15407 }, ["IPv6"], tcp),
  backendsCluster(backends),
  tableFilter(code),
  ...connectionFilters(code),
];

test("the resources of a node", async () => {
  const text = JSON.stringify(all, showBytes, 2);
  await expect(`${text}\n`).toMatchFileSnapshot("golden/resources.json");
});

test("no listener of a family that the node does not have", () => {
  const ports = { keep: 1, masquerade: 2, local: 3 };
  const names = captureListeners(ports, ["IPv4"], tcp).map(({ name }) => name);
  expect(names).toEqual(["capture-keep", "capture-masquerade", "capture-local"]);
});

test("the mark of connections to backends", () => {
  const cluster = backendsCluster({ ...backends, mark: 0x40 });
  const { socket_options } = cluster.upstream_bind_config as { socket_options: object[] };
  expect(socket_options).toMatchObject([{ level: 1, name: 36, int_value: 0x40 }]);
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
