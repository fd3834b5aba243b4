// The live page with 10,000 Services, in a browser: found, paged and mapped. What it takes is
// printed, not judged.

import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  endpointSliceObject,
  nodeObject,
  serviceCIDRObject,
  serviceObject,
  syntheticServices,
} from "../bench/synthetic-cluster.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { type KubernetesObject, PorticoProcess } from "../real/portico-fixture.ts";
import { Browser, type BrowserPage } from "./browser.ts";
import { findChromium } from "./chromium.ts";
import { PAGE, PAGE_PORT, SHOTS } from "./shop.ts";

const SERVICES = 10_000;
/** Every so many have no endpoints. */
const BROKEN_EACH = 333;
const BROKEN = Math.ceil(SERVICES / BROKEN_EACH);
/** Services with a backend that answers. */
const REAL = [5_010, 5_011, 5_020];
const BACKEND = "10.1.1.20";
const SYNCED_MS = 240_000;
const TOLD_EACH = 10;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let browser: Browser;
let page: BrowserPage;

beforeAll(async () => {
  const chromium = await findChromium(console.log);
  const pods = { client: "10.1.1.10", backend: BACKEND };
  const made = await makeNode({ name: "node-1", nodeIP: "192.0.2.1", pods });
  node = made.node;
  await node.pod("backend").serve({ tcp: 8080 });
  cluster = made.cluster;
  portico = new PorticoProcess(made.node);
  portico.write(manyObjects() as KubernetesObject[]);
  await portico.start(["--page-bind-address", `127.0.0.1:${PAGE_PORT}`]);
  await portico.synced(SYNCED_MS);
  browser = await Browser.start(made.node, chromium);
  page = await browser.open(PAGE, { width: 1400, height: 900 });
  await page.until("document.body.dataset.ready");
});
afterAll(async () => {
  await browser?.close();
  await portico?.close();
  await cluster?.close();
});

function manyObjects(): object[] {
  const services = [...syntheticServices({ services: SERVICES, endpointsEach: 5 })];
  for (const index of REAL) {
    const service = services[index];
    if (service) services[index] = { ...service, addresses: [BACKEND] };
  }
  const slices = services.filter((_, index) => index % BROKEN_EACH !== 0).map(endpointSliceObject);
  return [nodeObject(), serviceCIDRObject(), ...services.map(serviceObject), ...slices];
}

const firstName = 'document.querySelector("#rows strong")?.innerText';

it("shows them all on a map, and fifty in the list", async () => {
  expect(await page.text(".tile .figure")).toBe("10,000");
  expect(await page.text("#attention")).toBe(String(BROKEN));
  expect(await page.value('document.querySelectorAll("#rows li").length')).toBe(50);
  expect(await page.text("#pager")).toContain("1–50 of 10,000");
  await page.until('document.querySelector("#map-canvas").height > 100');
  await page.screenshot(join(SHOTS, "many-light.png"));
  await page.look({ width: 1400, height: 900, dark: true });
  await page.screenshot(join(SHOTS, "many-dark.png"));
  await page.look({ width: 390, height: 1500 });
  await page.screenshot(join(SHOTS, "many-narrow.png"));
  await page.look({ width: 1400, height: 900 });
  expect(page.complaints).toEqual([]);
});

it("turns the pages", async () => {
  await page.click('[data-go="last"]');
  await page.until('document.querySelector("#pager").innerText.includes("9,951–10,000")');
  await page.click('[data-go="previous"]');
  await page.until('document.querySelector("#pager").innerText.includes("9,901–9,950")');
  await page.click('[data-go="first"]');
  await page.until(`${firstName} === "service-0"`);
});

it("finds one by its address, and names what the pointer is on", async () => {
  await page.value('void document.querySelector("#search").focus()');
  await page.type("10.96.17.104");
  await page.until(`${firstName} === "service-4200"`);
  expect(await page.value('document.querySelectorAll("#rows li").length')).toBe(1);
  await page.value('void (document.querySelector("#search").value = "")');
  await page.type("team-42/");
  await page.until('document.querySelector("#pager").innerText.includes("1–50 of 100")');
  const box = 'document.querySelector("#map-canvas").getBoundingClientRect()';
  const { x, y } = await page.value<{ x: number; y: number }>(`${box}.toJSON()`);
  await page.point(x + 3, y + 3);
  await page.until('document.querySelector("#map-name").innerText === "team-42/service-4200"');
  await page.screenshot(join(SHOTS, "many-searched.png"));
});

it("shows where the traffic is", async () => {
  const dialer = await node.pod("client").dialer();
  const loads = await Promise.all(
    syntheticAddresses().map((address, index) => dialer.load(address, 80, index + 1)),
  );
  try {
    await page.value('void (document.querySelector("#search").value = "")');
    await page.type("service-50");
    await page.value(
      '(() => { const sort = document.querySelector("#sort"); sort.value = "traffic";' +
        ' sort.dispatchEvent(new Event("change")); })()',
    );
    await page.until(`/^service-50(10|11|20)$/.test(${firstName})`);
    await page.until('document.querySelector("#map-legend").innerText.includes("busier")');
    const load = await page.value<string>(
      'fetch("/api/map?search=service-50").then((answer) => answer.json()).then((map) => map.load)',
    );
    expect(load).toMatch(/[1-9]/);
    await page.screenshot(join(SHOTS, "many-busy.png"));
  } finally {
    for (const load of loads) await load.stop();
  }
});

function syntheticAddresses(): string[] {
  const services = [...syntheticServices({ services: SERVICES, endpointsEach: 1 })];
  return REAL.flatMap((index) => services[index]?.clusterIP ?? []);
}

it("answers", async () => {
  const paths = [
    "/api/state",
    "/api/services?limit=50",
    "/api/map",
    "/api/services?search=10.96.9",
  ];
  for (const path of paths) {
    const [milliseconds, size] = await page.value<[number, number]>(`(async () => {
      const began = performance.now();
      let size = 0;
      for (let i = 0; i < ${TOLD_EACH}; i++) {
        size = (await (await fetch("${path}", { cache: "no-store" })).text()).length;
      }
      return [(performance.now() - began) / ${TOLD_EACH}, size];
    })()`);
    console.log(`${path}: ${milliseconds.toFixed(1)} ms, ${size} characters`);
    expect(size).toBeGreaterThan(100);
  }
});
