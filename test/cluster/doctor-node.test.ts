// `portico doctor` on a node that Portico serves: beside what the API server tells, what the
// controller, the kernel and Envoy say there, and whether the endpoints listen.

import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import type { Finding } from "../../controller/doctor/types.ts";
import { eventually } from "../eventually.ts";
import { makeOwnNft, removeOwnNft } from "../real/own-nft.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, ServedCluster, untilAnsweredBy, untilOutcome, WEB } from "./served-cluster.ts";

let served: ServedCluster;
let objects: Objects;
let kubeconfig: string;

beforeAll(async () => {
  served = await ServedCluster.start();
  kubeconfig = served.plane.kubeconfigFile("admin", served.plane.innerServer);
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(served.log);
});

beforeEach(async () => {
  objects = await served.objects();
});

/** On node-1, about the Service "web" of this test. */
async function doctor(...more: string[]): Promise<{ code: number; findings: Finding[] }> {
  const asked = ["doctor", `${objects.namespace}/web`, "--kubeconfig", kubeconfig];
  const { code, stdout, stderr } = await served.portico.command(...asked, "-o", "json", ...more);
  if (stdout === "") throw new Error(stderr);
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
}

/** "error not-listening", of all that is not well. */
function troubles(findings: readonly Finding[]): string[] {
  const shown = findings.filter(({ level }) => level === "error" || level === "warning");
  return shown.map(({ level, code }) => `${level} ${code}`);
}

async function createWeb(spec: object = {}): Promise<string> {
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  const service = await objects.createService({
    name: "web",
    spec: { selector: WEB, ports, ...spec },
  });
  return service.spec?.clusterIP ?? "";
}

it("has nothing against a Service that answers, and has tried it", async () => {
  await objects.createPod(served.pod("web-1"));
  await objects.createPod(served.pod("web-3"));
  const address = await createWeb();
  await untilAnsweredBy(["web-1", "web-3"], await served.dialer("client-1"), address);
  const { code, findings } = await doctor();
  expect(troubles(findings)).toEqual([]);
  expect(code).toBe(0);
  expect(findings).toContainEqual(expect.objectContaining({ level: "ok", code: "served-here" }));
  const listening = { level: "ok", code: "listening", command: expect.stringMatching(/^nc -zv /) };
  expect(findings).toContainEqual(expect.objectContaining(listening));
  const unconnected = await doctor("--no-connect");
  expect(unconnected.findings.map((each) => each.code)).not.toContain("listening");
});

it("looks at this node, too, when it looks at all Services", async () => {
  const { stdout } = await served.portico.command("doctor", "--kubeconfig", kubeconfig);
  expect(stdout).toMatch(/^\d+ Services: /);
  expect(stdout).not.toContain("this node");
});

it("finds out that nothing listens on a target port", async () => {
  await objects.createPod(served.pod("web-1"));
  await createWeb({ ports: [{ name: "http", port: 80, targetPort: 7070 }] });
  let findings: Finding[] = [];
  await eventually("an error of the doctor's", 3 * LAG_MS, async () => {
    const ended = await doctor();
    findings = ended.findings;
    return ended.code === 1 && findings.some((each) => each.code === "not-listening");
  });
  expect(troubles(findings)).toEqual(["warning target-port-undeclared", "error not-listening"]);
  const { text } = findings.find((each) => each.code === "not-listening") as Finding;
  expect(text).toContain(`nothing listens on ${served.addressOf("web-1")}:7070 (refused)`);
});

it("does not take the folder that it was given for what this node serves", async () => {
  await createWeb();
  const asked = ["doctor", "--manifests", served.portico.manifests, "-o", "json"];
  const { code, stdout } = await served.portico.command(...asked);
  expect(code).toBe(0);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  expect(findings.map((each) => each.code)).toEqual(["another-cluster"]);
});

it("tells that a policy leaves nothing on this node", async () => {
  await objects.createPod(served.pod("web-3"));
  const address = await createWeb({ internalTrafficPolicy: "Local" });
  await untilOutcome("timeout", await served.dialer("client-1"), address);
  const { findings } = await doctor();
  expect(troubles(findings)).toEqual(["warning no-local-endpoint", "warning not-served-here"]);
});

it("sees what is not programmed as it should be", async () => {
  await objects.createPod(served.pod("web-1"));
  const address = await createWeb();
  const client = await served.dialer("client-1");
  await untilAnsweredBy(["web-1"], client, address);
  const element = `{ ${address} . tcp . 80 }`;
  const remove = ["delete", "element", "inet", "portico", "frontends_v4", element];
  const ownNft = await makeOwnNft(served.node("node-1"));
  onTestFinished(() => removeOwnNft(ownNft));
  // A periodic sync may put it back before the doctor has looked.
  await eventually("the doctor sees it", 6 * LAG_MS, async () => {
    await served.node("node-1").exec(ownNft, remove, { allowFailure: true });
    const { code, findings } = await doctor();
    return code === 1 && troubles(findings).includes("error data-plane-differs");
  });
});

it("says that the controller does not run, and what it can all the same", async () => {
  await objects.createPod(served.pod("web-1"));
  await createWeb({ selector: { app: "wbe" } });
  await served.portico.end("SIGKILL");
  const { code, findings } = await doctor();
  expect(code).toBe(1);
  expect(troubles(findings)).toContain("error selector-matches-nothing");
  expect(troubles(findings)).toContain("error controller-down");
});
