import { afterEach, expect, it, vi } from "vitest";
import { defaultConfiguration } from "../config/config-file.ts";
import { type RunOptions, shippedPlugin } from "../config/run-options.ts";
import { accessFromText } from "../kubeconfig/load.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import { createLog } from "../observe/log.ts";
import { DEFAULT_TCP_OPTIONS } from "../xds/tcp-options.ts";
import { assemble, type Parts } from "./assemble.ts";

const KUBECONFIG = `
apiVersion: v1
kind: Config
current-context: pod
clusters: [{ name: api, cluster: { server: "https://10.96.0.1" } }]
users: [{ name: account, user: { tokenFile: /nowhere/token } }]
contexts: [{ name: pod, context: { cluster: api, user: account } }]
`;

// As in a Pod; without the token it makes no network requests.
vi.mock("../kubeconfig/load.ts", async (importOriginal) => ({
  ...(await importOriginal<typeof import("../kubeconfig/load.ts")>()),
  accessInCluster: () => accessFromText(KUBECONFIG),
}));

const ports = { keep: 15_401, host: 15_402, local: 15_403, masquerade: 15_404 };
const secondPorts = { keep: 15_411, host: 15_412, local: 15_413, masquerade: 15_414 };
const redirectPorts = { keep: 15_405, masquerade: 15_406, local: 15_407 };
const place = {
  directory: "/nowhere",
  ports,
  redirectPorts,
  otherPorts: [],
  otherRedirectPorts: [],
};

function options(): RunOptions {
  return {
    ...defaultConfiguration(),
    source: { kind: "in-cluster" },
    nodeName: "node-1",
    configFile: undefined,
    runDir: "/nowhere",
    pluginFile: shippedPlugin(),
    followedPlugin: undefined,
    functionsFolder: undefined,
    watchPlugin: false,
    withEnvoy: true,
    twoEnvoys: false,
    envoyConcurrency: 0,
    envoyHungAfterMs: 0,
    capturePorts: ports,
    secondCapturePorts: secondPorts,
    bridgeCapture: "auto",
    redirectPorts: [redirectPorts, { keep: 15_415, masquerade: 15_416, local: 15_417 }],
    markBit: 12,
    routeTable: 4100,
    rulePriority: 1,
    policyHook: "output",
    allowOpenPolicies: false,
    serviceCIDRs: [],
    serviceProxyName: undefined,
    minSyncPeriodMs: 5,
    pageAddress: undefined,
    eventGraceMs: 60_000,
    serviceMetrics: "service",
    flowLog: undefined,
    tcp: DEFAULT_TCP_OPTIONS,
    defaults: DEFAULT_SETTINGS,
  };
}

let parts: Parts | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  await parts?.source.stop();
  await parts?.operations.stop();
});

it("calls no part before all are made, where the environment of a Pod is a problem too", () => {
  vi.stubEnv("KUBERNETES_SERVICE_HOST", "10.96.0.1");
  vi.stubEnv("KUBERNETES_PORT_443_TCP_ADDR", "10.96.0.1");
  parts = assemble(options(), createLog("error", { write: () => {} }), place);
  expect(parts.problems.list()).toEqual([]);
  void parts.source.start();
  expect(parts.problems.list()).toMatchObject([{ object: "This node" }]);
});
