// As a program: `node api-server.ts ADDRESS PORT SERVICES ENDPOINTS-EACH` answers as a Kubernetes
// API server with a synthetic cluster that does not change: streaming lists (KEP-3157), and watches
// in which nothing happens. Plain HTTP, no authentication; prints "ready" once it listens.
//
// A program of its own, so that what it holds does not count as the controller's.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  type ClusterSize,
  endpointSliceObject,
  nodeObject,
  serviceCIDRObject,
  serviceObject,
  syntheticServices,
} from "../synthetic-cluster.ts";

const RESOURCE_VERSION = "1000";

/** The objects of a resource, made while they are sent. */
function* objectsOf(resource: string, size: ClusterSize): Generator<object> {
  if (resource === "nodes") yield nodeObject();
  if (resource === "servicecidrs") yield serviceCIDRObject();
  for (const service of syntheticServices(size)) {
    if (resource === "services") yield serviceObject(service);
    else if (resource === "endpointslices") yield endpointSliceObject(service);
    else return;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, size: ClusterSize) {
  const url = new URL(request.url ?? "", "http://server");
  if (!url.searchParams.has("watch")) {
    response.writeHead(400).end(JSON.stringify({ message: "only watches are answered" }));
    return;
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  if (!url.searchParams.has("sendInitialEvents")) return;
  const resource = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  for (const object of objectsOf(resource, size)) {
    await send(response, { type: "ADDED", object });
  }
  await send(response, { type: "BOOKMARK", object: endOfList() });
}

async function send(response: ServerResponse, event: object): Promise<void> {
  if (!response.write(`${JSON.stringify(event)}\n`)) await once(response, "drain");
}

function endOfList(): object {
  const annotations = { "k8s.io/initial-events-end": "true" };
  return { metadata: { resourceVersion: RESOURCE_VERSION, annotations } };
}

if (import.meta.main) {
  const [address, port, services, endpointsEach] = process.argv.slice(2);
  const size = { services: Number(services), endpointsEach: Number(endpointsEach) };
  const server = createServer((request, response) => {
    answer(request, response, size).catch(() => response.destroy());
  });
  server.listen(Number(port), address, () => process.stdout.write("ready\n"));
}
