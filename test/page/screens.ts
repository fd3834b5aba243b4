// npm run screens: what README shows of a running Portico. Writes docs/live-page.png, and prints
// what `portico services`, `explain` and `doctor` say there, to be copied into README.md.

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import prepare from "../real/setup.ts";
import { Browser } from "./browser.ts";
import { findChromium } from "./chromium.ts";
import { edit, makeShop, PAGE, PAGE_PORT, type Shop } from "./shop.ts";

const PICTURE = join(import.meta.dirname, "../../docs/live-page.png");
/** About as wide as GitHub shows a README, with two pixels for each. */
const LOOK = { width: 900, height: 890, scale: 2 };
const RUN_ARGS = [
  ...["--page-bind-address", `127.0.0.1:${PAGE_PORT}`],
  ...["--detect-local-mode", "ClusterCIDR", "--cluster-cidr", "10.1.1.0/24"],
];
const SYNCED_MS = 60_000;
/** The page's graphs have something to draw by then. */
const TRAFFIC_MS = 60_000;
/** By then the page's rates no longer hold connections of before the change. */
const AFTER_MS = 8_000;

await prepare();
const chromium = await findChromium(console.log);
const shop = await makeShop();
try {
  await shop.portico.start(RUN_ARGS);
  await shop.portico.synced(SYNCED_MS);
  await print(shop, "services");
  await print(shop, "explain", "shop/orders-api", "--from", "shop/frontend-1");
  await takePicture(shop, chromium);
  await print(shop, "doctor", "shop/payments");
} finally {
  await shop.portico.close();
  await shop.cluster.close();
}
process.exit();

async function print({ portico }: Shop, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await portico.command(...args);
  console.log(`\n$ portico ${args.join(" ")}\n${stdout}${stderr}(exit code ${code})`);
}

/** Leaves payments with a wrong selector. */
async function takePicture(shop: Shop, program: string): Promise<void> {
  const browser = await Browser.start(shop.node, program);
  try {
    const page = await browser.open(PAGE, LOOK);
    await page.until("document.body.dataset.ready");
    await startTraffic(shop);
    await delay(TRAFFIC_MS);
    edit(shop, "payments.yaml", "  selector:\n    app: payments", "  selector:\n    app: payment");
    await page.until('document.querySelector("#attention").innerText === "1"');
    await page.until('document.querySelector("#changes").innerText.includes("10.1.1.30:9000")');
    await delay(AFTER_MS);
    await page.screenshot(PICTURE);
  } finally {
    await browser.close();
  }
}

/** As a store has it: customers, orders, payments. */
async function startTraffic({ cluster, node }: Shop): Promise<void> {
  const customers = await cluster.outside.dialer();
  await customers.load(node.address, 30_080, 2, { pauseMs: 25 });
  const frontend = await node.pod("frontend-1").dialer();
  await frontend.load("10.96.0.20", 80, 2, { pauseMs: 40 });
  const orders = await node.pod("orders-api-1").dialer();
  await orders.load("10.96.0.30", 80, 2, { pauseMs: 90 });
}
