// What Kubernetes' own tests ask about Pods that are not ready, terminate, were evicted, and about
// traffic policies, with a proxy on each node and the real endpoint slice controller.

import type { V1ServiceSpec } from "@kubernetes/client-node";
import { PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, ServedCluster, untilAnsweredBy, untilOutcome, WEB } from "./served-cluster.ts";

const HTTP = { name: "http", port: 80, targetPort: "http" };
const GRACE_SECONDS = 300;
const MERGE = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

let served: ServedCluster;
let objects: Objects;
let here: Dialer;
let there: Dialer;
let outside: Dialer;
let near: string;
let far: string;

beforeAll(async () => {
  served = await ServedCluster.start();
  here = await served.dialer("client-1");
  there = await served.dialer("client-2");
  outside = await served.dialer("outside");
  near = served.addressOf("node-1");
  far = served.addressOf("node-2");
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(served.log);
});

beforeEach(async () => {
  objects = await served.objects();
});

async function createWeb(spec: V1ServiceSpec = {}) {
  const all = { selector: WEB, ports: [HTTP], ...spec };
  const created = await objects.createService({ name: "web", spec: all });
  const { clusterIP = "", ports = [], healthCheckNodePort = 0 } = created.spec ?? {};
  return { address: clusterIP, nodePort: ports[0]?.nodePort ?? 0, healthCheckNodePort };
}

it("publishNotReadyAddresses on, off, on: an unready Pod, then a terminating one", async () => {
  await objects.createPod(served.pod("web-1", { ready: false }));
  const { address } = await createWeb({ publishNotReadyAddresses: true });
  await untilAnsweredBy(["web-1"], here, address);
  await objects.patchService("web", { spec: { publishNotReadyAddresses: false } });
  await untilOutcome("refused", here, address);
  await objects.patchService("web", { spec: { publishNotReadyAddresses: true } });
  await untilAnsweredBy(["web-1"], here, address);
  await objects.deletePod("web-1", GRACE_SECONDS);
  await untilTerminating();
  await untilAnsweredBy(["web-1"], here, address);
  await objects.deletePod("web-1");
  await untilOutcome("refused", here, address);
});

/** Until a slice of "web" says so of an endpoint. */
async function untilTerminating(): Promise<void> {
  await eventually("a terminating endpoint", LAG_MS, async () => {
    const { items } = await objects.discovery.listNamespacedEndpointSlice({
      namespace: objects.namespace,
    });
    return items.some(({ endpoints }) => endpoints?.some((each) => each.conditions?.terminating));
  });
}

it("terminating and unready Pods answer at every door with publishNotReadyAddresses", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address, nodePort } = await createWeb({
    type: "NodePort",
    publishNotReadyAddresses: true,
  });
  await untilAnsweredBy(["web-1"], here, address);
  await objects.setPodReady("web-1", false);
  await objects.deletePod("web-1", GRACE_SECONDS);
  await untilTerminating();
  for (const client of [here, there]) {
    for (const [door, port] of [
      [address, 80],
      [near, nodePort],
      [far, nodePort],
    ] as const) {
      const results = await client.dial(door, port, { tries: 5 });
      expect(results.map(({ outcome }) => outcome)).toEqual(Array(5).fill("answered"));
    }
  }
});

it("terminating and unready Pods do not answer without publishNotReadyAddresses", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  await untilAnsweredBy(["web-1"], there, far, nodePort);
  await objects.setPodReady("web-1", false);
  await objects.deletePod("web-1", GRACE_SECONDS);
  for (const client of [here, there]) {
    for (const [door, port] of [
      [address, 80],
      [near, nodePort],
      [far, nodePort],
    ] as const) {
      await untilOutcome("refused", client, door, port);
    }
  }
});

it("a Pod that terminates and still serves answers until another is ready", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  await untilAnsweredBy(["web-1"], here, address);
  const held = await here.open(address, 80);
  await objects.deletePod("web-1", GRACE_SECONDS);
  await untilTerminating();
  for (const client of [here, there]) {
    await untilAnsweredBy(["web-1"], client, address);
    await untilAnsweredBy(["web-1"], client, far, nodePort);
  }
  await objects.createPod(served.pod("web-3"));
  await untilAnsweredBy(["web-3"], here, address);
  await untilAnsweredBy(["web-3"], outside, near, nodePort);
  expect(await held.echo("until the grace period is over")).toBe("until the grace period is over");
  await objects.setPodReady("web-1", false);
  await objects.setPodReady("web-3", false);
  await untilOutcome("refused", here, address);
});

it("internalTrafficPolicy Local: a terminating Pod answers on its node alone", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address } = await createWeb({ internalTrafficPolicy: "Local" });
  await untilAnsweredBy(["web-1"], here, address);
  await objects.deletePod("web-1", GRACE_SECONDS);
  await untilTerminating();
  await untilAnsweredBy(["web-1"], here, address);
  await untilOutcome("timeout", there, address);
});

it("externalTrafficPolicy Local: a terminating Pod answers on its node alone", async () => {
  await objects.createPod(served.pod("web-1"));
  const { nodePort } = await createWeb({ type: "NodePort", externalTrafficPolicy: "Local" });
  await untilAnsweredBy(["web-1"], outside, near, nodePort);
  await objects.deletePod("web-1", GRACE_SECONDS);
  await untilTerminating();
  await untilAnsweredBy(["web-1"], outside, near, nodePort);
  await untilAnsweredBy(["web-1"], there, near, nodePort);
  await untilOutcome("timeout", outside, far, nodePort);
  await untilOutcome("timeout", here, far, nodePort); // not a Pod of that node
});

it("terminating Pods fail the load balancer's check, and the node port still serves", async () => {
  await objects.createPod(served.pod("web-1"));
  const { nodePort, healthCheckNodePort } = await createWeb({
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
  });
  const isHealthy = async (status: number) =>
    eventually(`health check: ${status}`, LAG_MS, async () => {
      const url = `http://${near}:${healthCheckNodePort}/`;
      const script = "fetch(process.argv[1]).then((r) => console.log(r.status), () => {})";
      const asked = await served.node("node-1").exec(process.execPath, ["-e", script, url]);
      return asked.stdout.trim() === String(status);
    });
  await isHealthy(200);
  await objects.deletePod("web-1", GRACE_SECONDS);
  await isHealthy(503);
  await untilAnsweredBy(["web-1"], outside, near, nodePort);
});

it("an evicted Pod is no endpoint, published unready or not", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address } = await createWeb({ publishNotReadyAddresses: true });
  await untilAnsweredBy(["web-1"], here, address);
  const status = {
    phase: "Failed",
    reason: "Evicted",
    conditions: [{ type: "Ready", status: "False" }],
  };
  const where = { name: "web-1", namespace: objects.namespace };
  await objects.core.patchNamespacedPodStatus({ ...where, body: { status } }, MERGE);
  await untilOutcome("refused", here, address);
  await untilOutcome("refused", there, address);
});

it("internalTrafficPolicy Local: everybody reaches what is on their own node alone", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address } = await createWeb({ internalTrafficPolicy: "Local" });
  for (const client of [here, await served.dialer("node-1")]) {
    await untilAnsweredBy(["web-1"], client, address);
  }
  for (const client of [there, await served.dialer("node-2")]) {
    await untilOutcome("timeout", client, address);
  }
});

it("internalTrafficPolicy Local: so it is with a Pod in the host network", async () => {
  await objects.createPod(served.pod("node-1", { name: "host-1" }));
  const { address } = await createWeb({ internalTrafficPolicy: "Local" });
  for (const client of [here, await served.dialer("node-1")]) {
    await untilAnsweredBy(["node-1"], client, address);
  }
  for (const client of [there, await served.dialer("node-2")]) {
    await untilOutcome("timeout", client, address);
  }
});
