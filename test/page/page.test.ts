// The live page of a running Portico, in a browser on the node: the store of the demo, while things
// go well and while they do not. The screenshots are kept in build/page-shots, to be looked at.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { notEmpty } from "../not-empty.ts";
import { Browser, type BrowserPage } from "./browser.ts";
import { findChromium } from "./chromium.ts";
import { edit, makeShop, PAGE, PAGE_PORT, restore, SHOTS, type Shop } from "./shop.ts";

const WIDE = { width: 1400, height: 900 };
const NARROW = { width: 390, height: 1500 };
const SYNCED_MS = 60_000;
const PAGE_ARGS = ["--page-bind-address", `127.0.0.1:${PAGE_PORT}`];
const NO_BACKEND = ["payments.yaml", "  selector:\n    app: payments", "  selector:\n    app: pay"];

let shop: Shop;
let browser: Browser;
let page: BrowserPage;

beforeAll(async () => {
  const chromium = await findChromium(console.log);
  shop = await makeShop();
  await shop.portico.start(PAGE_ARGS);
  await shop.portico.synced(SYNCED_MS);
  browser = await Browser.start(shop.node, chromium);
});
afterAll(async () => {
  await browser?.close();
  await shop?.portico.close();
  await shop?.cluster.close();
});
beforeEach(async () => {
  page = await browser.open(PAGE, WIDE);
  await page.until("document.body.dataset.ready");
});
afterEach(async () => {
  await page.close();
  restore(shop);
  await eventually("the store as it ships", SYNCED_MS, async () => {
    const { stdout } = await shop.portico.command("services", "-o", "json");
    const { frontends } = JSON.parse(stdout || '{"frontends":[]}') as Table;
    return frontends.reduce((sum, { backends }) => sum + backends.length, 0) === 6;
  });
});

interface Table {
  frontends: { backends: unknown[] }[];
}

const shot = (name: string) => page.screenshot(join(SHOTS, `${name}.png`));
const rowOf = (name: string) =>
  `[...document.querySelectorAll("#rows li")].find((row) => row.innerText.includes("${name}"))`;
const figure = (name: string) =>
  `[...document.querySelectorAll(".tile")].find((tile) => tile.innerText.includes("${name}"))` +
  '.querySelector(".figure").innerText';

function breakPayments(): void {
  const [file = "", before = "", after = ""] = NO_BACKEND;
  edit(shop, file, before, after);
}

describe("the live page", () => {
  it("shows the Services, their backends and the node, and asks nobody else", async () => {
    expect(await page.value(figure("Services"))).toBe("3");
    expect(await page.value(figure("Backends"))).toBe("5");
    expect(await page.text("#health")).toBe("serving");
    expect(await page.text("#node")).toBe("node-1");
    expect(await page.value(`${rowOf("frontend")}.innerText`)).toContain("192.0.2.1:30080");
    expect(await page.value(`${rowOf("orders-api")}.innerText`)).toContain("3 · 3 local");
    expect(await page.text("#findings")).toContain("Envoy serves 4 frontends, table version");
    for (const url of notEmpty(page.requests, "requests")) {
      expect(url.startsWith(PAGE), url).toBe(true);
    }
    expect(page.complaints).toEqual([]);
    await shot("store-light");
  });

  it("shows the traffic while there is some", async () => {
    const dialer = await shop.node.pod("frontend-1").dialer();
    const load = await dialer.load("10.96.0.20", 80, 2);
    try {
      const figures = figure("Connections/s");
      await page.until(`Number(${figures}.replaceAll(",", "")) > 1`);
      await page.until('document.querySelectorAll(".spark-line").length === 3');
      const rate = `${rowOf("orders-api")}?.querySelector(".number")?.innerText`;
      await page.until(`Number.parseFloat(${rate}?.replaceAll(",", "")) > 1`);
      expect(await page.value(`${rowOf("payments")}.querySelector(".number").innerText`)).toContain(
        "idle",
      );
      await page.look({ ...WIDE, dark: true });
      await shot("traffic-dark");
    } finally {
      await load.stop();
    }
  });

  it("tells what changed, and finds what needs attention", async () => {
    breakPayments();
    await page.until(`${rowOf("payments")}?.innerText.includes("connections fail")`);
    await page.until('document.querySelector("#attention").innerText === "1"');
    expect(await page.text("#changes")).toContain("shop/payments backend 10.1.1.30:9000 left");
    await shot("no-backend-light");
    await page.click('[data-show="attention"]');
    await page.until('document.querySelectorAll("#rows li").length === 1');
    expect(await page.text("#rows")).toContain("payments");
    await page.look({ ...NARROW, dark: true });
    await shot("attention-narrow-dark");
    restore(shop);
    await page.until('document.querySelector("#rows").innerText.includes("All is well")');
    const again = "every frontend has a backend again";
    await page.until(`document.querySelector("#changes").innerText.includes("${again}")`);
    await page.look(NARROW);
    await shot("all-is-well-narrow");
  });

  it("shows where the connections of one Service go", async () => {
    edit(shop, "orders-api.yaml", 'status: "True"', 'status: "False"');
    await page.value('void (location.hash = "#shop/orders-api")');
    await page.until('document.querySelector("#detail").innerText.includes("not ready")');
    await page.until('document.querySelectorAll(".flow-lines path").length === 2');
    const detail = await page.text("#detail");
    expect(detail).toContain("10.96.0.20:80");
    expect(detail).toContain("orders-api-2");
    expect(detail).toContain("app=orders-api");
    expect(detail).toContain("backend 10.1.1.21:8080 left");
    await shot("service-light");
    await page.look({ ...WIDE, dark: true });
    await shot("service-dark");
    await page.look({ width: 900, height: 1200 });
    await shot("service-medium");
    await page.look(NARROW);
    await shot("service-narrow");
    breakPayments();
    await page.value('void (location.hash = "#shop/payments")');
    await page.until('document.querySelector(".flow-lines .stop")');
    expect(await page.text("#detail")).toContain("no backend: refused");
    await page.look(WIDE);
    await shot("service-refused");
    await page.value('void (location.hash = "#shop/nothing")');
    await page.until('document.querySelector("#detail").innerText.includes("No Service of this")');
    await page.key("Escape");
    await page.until('document.querySelector("#detail").hidden');
    expect(page.complaints.filter((text) => !text.includes("404"))).toEqual([]);
  });

  it("shows what is wrong with the objects, until it is mended", async () => {
    writeFileSync(join(shop.portico.manifests, "payments.yaml"), "kind: Service\nmetadata: [\n");
    edit(
      shop,
      "frontend.yaml",
      "  type: NodePort\n",
      "  type: NodePort\n  externalIPs: [10.96.0.20]\n",
    );
    await page.until('document.querySelector("#problems").innerText.includes("payments.yaml")');
    await page.until('document.querySelector("#problems").innerText.includes("10.96.0.20:80/TCP")');
    await page.until('document.querySelector("#health").innerText === "serving, with warnings"');
    await page.until(`${rowOf("frontend")}.innerText.includes("1 problem")`);
    await page.click('#problems a[href="#shop/frontend"]');
    await page.until('document.querySelector("#detail .notice")');
    await shot("problems-light");
    await page.look({ ...WIDE, dark: true });
    await shot("problems-dark");
    restore(shop);
    await page.until('document.querySelector("#problems-card").hidden');
    await page.until('document.querySelector("#changes").innerText.includes("resolved: ")');
  });

  it("is searched by name, address and backend, from the keyboard", async () => {
    await page.key("/");
    expect(await page.value("document.activeElement.id")).toBe("search");
    await page.type("10.1.1.30:9000");
    await page.until('document.querySelectorAll("#rows li").length === 1');
    expect(await page.text("#rows")).toContain("payments");
    await page.type(" frontend");
    await page.until('document.querySelector("#rows").innerText.includes("Nothing matches")');
    await shot("nothing-found");
  });

  it("says so when Portico is gone, and goes on when it is back", async () => {
    await shop.portico.end("SIGKILL");
    await page.until('!document.querySelector("#banner").hidden');
    expect(await page.text("#banner")).toContain("Portico does not answer");
    expect(await page.text("#health")).toBe("no answer");
    await shot("gone");
    await shop.portico.start(PAGE_ARGS);
    await shop.portico.synced(SYNCED_MS);
    await page.until('document.querySelector("#banner").hidden');
    expect(await page.value(figure("Services"))).toBe("3");
  });
});

describe("the page's server", () => {
  it("is for reading, and for this machine's own names", async () => {
    const ok = await ask("GET", { host: `localhost:${PAGE_PORT}` });
    expect(ok.status).toBe(200);
    expect(ok.headers["content-security-policy"]).toContain("default-src 'none'");
    expect((await ask("HEAD", { host: "127.0.0.1" })).body).toBe("");
    expect((await ask("POST", { host: "127.0.0.1" })).status).toBe(405);
    expect((await ask("GET", { host: `portico.example:${PAGE_PORT}` })).status).toBe(403);
  });

  it("is not reached from outside", async () => {
    const dialer = await shop.cluster.outside.dialer();
    expect((await dialer.dialOnce(shop.node.address, PAGE_PORT)).outcome).toBe("refused");
  });

  it("refuses to listen where others could reach it", async () => {
    const args = ["run", "--manifests", shop.portico.manifests, "--page-bind-address"];
    const { code, stderr } = await shop.portico.command(...args, "0.0.0.0:8081");
    expect(stderr).toContain("0.0.0.0 is reachable from other machines, and the page has no login");
    expect(code).toBe(1);
  });
});

interface HttpResult {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Of the page, by a client of the node that chooses its headers. */
async function ask(method: string, headers: Record<string, string>): Promise<HttpResult> {
  const options = JSON.stringify({ host: "127.0.0.1", port: PAGE_PORT, method, headers });
  const script = `require("node:http").request(${options}, async (response) => {
    const body = (await response.toArray()).join("");
    const { statusCode: status, headers } = response;
    console.log(JSON.stringify({ status, headers, body }));
  }).end()`;
  const { stdout } = await shop.node.exec(process.execPath, ["-e", script]);
  return JSON.parse(stdout) as HttpResult;
}
