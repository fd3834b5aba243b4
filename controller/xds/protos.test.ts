import { describe, expect, it } from "vitest";
import { envoyProtos, reducedProtos } from "../../test/envoy-protos.ts";
import { notEmpty } from "../../test/not-empty.ts";
import type { FlowLogOptions } from "./flow-log.ts";
import { leadToFunctions, withFunctionChains } from "./function-chains.ts";
import { loadProtos, protosOf, type Resource } from "./protos.ts";
import { refusingClusters, refusingListeners } from "./refusing.ts";
import { backendsClusters, captureListeners, connectionFilters, tableFilter } from "./resources.ts";
import { DEFAULT_TCP_OPTIONS } from "./tcp-options.ts";

const LOGS: FlowLogOptions[] = [
  { file: "-", sample: 1, services: [] },
  { file: "/log", sample: 0.25, services: [] },
  { file: "/log", sample: 0.25, services: ["shop/web", "shop/api"] },
];
const PORTS = { keep: 15401, host: 15402, local: 15403, masquerade: 15404 };
const CODE = { build: "0123456789ab", wasm: new TextEncoder().encode("\0asm") };

const root = envoyProtos();
const whole = protosOf(root);
const resources: Resource[] = [
  ...captureListeners(PORTS, ["IPv4", "IPv6"], DEFAULT_TCP_OPTIONS),
  ...leadToFunctions(withFunctionChains(captureListeners(PORTS, ["IPv4"], DEFAULT_TCP_OPTIONS)), [
    { address: "10.96.0.10", port: 80 },
    { address: "fd00::a", port: 443 },
  ]),
  ...backendsClusters({ tcp: DEFAULT_TCP_OPTIONS, mark: 0x40, masqueradedMark: 0x60 }),
  ...refusingListeners(15401, ["IPv4", "IPv6"]),
  ...refusingClusters(15401, 0x1000),
  tableFilter(CODE),
  ...LOGS.flatMap((log) => connectionFilters(CODE, DEFAULT_TCP_OPTIONS, log)),
];

/** After a change of MESSAGES, or of the files: vitest -u. */
it("are those of Envoy's files that Portico uses", async () => {
  const text = JSON.stringify(reducedProtos(root), null, 1);
  await expect(`${text}\n`).toMatchFileSnapshot("protos/descriptors.json");
});

describe("what they encode", () => {
  it.each(resources.map((resource) => [String(resource.name), resource] as const))(
    "has every field, as with all of Envoy's definitions: %s",
    (_name, resource) => {
      const { encode } = loadProtos();
      expect(encode(resource)).toEqual(whole.encode(resource));
    },
  );

  it("has the filters of a flow log", () => {
    expect(JSON.stringify(resources)).toContain("and_filter");
    expect(JSON.stringify(resources)).toContain("StdoutAccessLog");
  });
});

describe("the discovery service", () => {
  it.each(["StreamAggregatedResources", "DeltaAggregatedResources"])("%s", (method) => {
    const ours = loadProtos().discoveryService[method];
    const envoys = whole.discoveryService[method];
    const node = { id: "node-1", cluster: "portico", user_agent_name: "envoy" };
    const request = {
      node,
      type_url: "type",
      response_nonce: "1",
      error_detail: { code: 13, message: "no", details: [] },
      resource_names: ["a"],
      resource_names_subscribe: ["a"],
      initial_resource_versions: { a: "1" },
    };
    const sent = envoys?.requestSerialize(request) ?? Buffer.alloc(0);
    expect(ours?.requestDeserialize(sent)).toMatchObject({ node, error_detail: { message: "no" } });
    const value = whole.encode(notEmpty(resources, "resources")[0] as Resource).value;
    const resource = { type_url: "type", value };
    const answer = {
      type_url: "type",
      nonce: "2",
      version_info: "1",
      system_version_info: "1",
      resources: method.startsWith("Delta") ? [{ name: "a", version: "1", resource }] : [resource],
      removed_resources: ["b"],
    };
    expect(ours?.responseSerialize(answer)).toEqual(envoys?.responseSerialize(answer));
  });
});
