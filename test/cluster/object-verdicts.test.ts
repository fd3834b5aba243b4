// What the API server takes holds back no manifests file, and what it refuses does: each object of
// object-verdicts.ts is shown to a real one (as a dry run), and to the reader of manifests.

import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { KubernetesApi } from "../../controller/watch/kubernetes-api.ts";
import { manifestFileFromText } from "../../controller/watch/manifests-file.ts";
import { ControlPlane } from "./control-plane.ts";
import { ACCEPTED, REFUSED, REFUSED_BUT_SERVED } from "./object-verdicts.ts";

const PATHS: Readonly<Record<string, string>> = {
  Service: "/api/v1/namespaces/default/services",
  EndpointSlice: "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
  Node: "/api/v1/nodes",
  ServiceCIDR: "/apis/networking.k8s.io/v1/servicecidrs",
};

let plane: ControlPlane;
let api: KubernetesApi;

beforeAll(async () => {
  plane = await ControlPlane.start();
  const access = plane.access();
  api = new KubernetesApi(() => access, "portico/test");
}, 900_000);

afterAll(() => plane?.stop());

/** "accepted", or what the API server has against it. */
async function verdictOfServer(text: string): Promise<string> {
  const object = parse(text) as { kind: string };
  const { status, body } = await api.send({
    method: "POST",
    path: PATHS[object.kind] ?? "",
    query: { dryRun: "All" },
    body: { type: "application/json", text: JSON.stringify(object) },
    signal: AbortSignal.timeout(20_000),
  });
  const answer = Buffer.concat(await Array.fromAsync(body)).toString("utf8");
  if (status === 201) return "accepted";
  expect([status, answer]).toEqual([expect.toBeOneOf([400, 422]), expect.anything()]);
  return `refused: ${JSON.parse(answer).message}`;
}

/** Of the reader of manifests. */
function ownVerdict(text: string): string {
  const { objects, problems } = manifestFileFromText("a.yaml", text);
  return objects ? "accepted" : `refused: ${problems.map(({ message }) => message).join("; ")}`;
}

it.each(ACCEPTED)("accepted by both: %s", async (text) => {
  expect(await verdictOfServer(text)).toBe("accepted");
  expect(ownVerdict(text)).toBe("accepted");
});

it.each(REFUSED)("refused by both: %s", async (text) => {
  expect(await verdictOfServer(text)).toMatch(/^refused: /);
  expect(ownVerdict(text)).toMatch(/^refused: /);
});

it.each(REFUSED_BUT_SERVED)("refused by the API server alone: %s", async (text) => {
  expect(await verdictOfServer(text)).toMatch(/^refused: /);
  expect(ownVerdict(text)).toBe("accepted");
});
