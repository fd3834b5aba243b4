// Somebody makes a mistake in a Service's selector, and puts it right.

import { eventually } from "../../eventually.ts";
import { LongConnections } from "../clients.ts";
import { answeredBy, answeredText, countsText, figuresFromDials, requestOnce } from "../traffic.ts";
import type { Chapter, Stage } from "./stage.ts";

const WRONG = "order-api";
const TRIES = 20;
const LONG = 6;

export const wrongSelector: Chapter = async (stage) => {
  const { tell, store } = stage;
  const { clusterIP, port } = store.service("orders-api");
  tell.chapter(
    "A wrong selector",
    `Somebody writes app: ${WRONG} for app: orders-api. No Pod has that label, and whoever calls`,
    "is to learn it at once: connection refused.",
  );
  const dialer = await store.pod("frontend-1").dialer();
  const long = new LongConnections();
  await long.add(dialer, clusterIP, port, LONG);
  await store.manifests.select("orders-api", WRONG);
  const outcome = async () => (await dialer.dialOnce(clusterIP, port)).outcome;
  const tookMs = await eventually("connection refused", 10_000, async () => {
    return (await outcome()) === "refused";
  });
  await checkRefused(stage, tookMs);
  await checkShown(stage);

  await store.manifests.select("orders-api", "orders-api");
  const fixedMs = await eventually("orders-api answers", 10_000, async () => {
    return (await outcome()) === "answered";
  });
  await checkRepaired(stage, fixedMs);
  const alive = await long.finish();
  tell.check({
    what: "connections that were open all the time",
    holds: alive === LONG && long.lost.length === 0,
    expected: `${LONG} of ${LONG} go on`,
    seen: `${alive} of ${LONG} go on`,
  });
};

async function checkRefused({ tell, store }: Stage, tookMs: number): Promise<void> {
  const { clusterIP, port } = store.service("orders-api");
  const dialer = await store.pod("frontend-1").dialer();
  const figures = figuresFromDials(await dialer.dial(clusterIP, port, { tries: TRIES }));
  tell.check({
    what: `connections, ${tookMs} ms after the mistake`,
    holds: figures.failures.get("refused") === TRIES,
    expected: `${TRIES} refused at connect`,
    seen: `${countsText(figures.failures)}, slowest ${Math.round(figures.slowestMs)} ms`,
  });
  const outside = await store.outside.dialer();
  const { nodePort } = store.service("frontend");
  const page = await requestOnce(outside, store.node.address, nodePort, "/checkout");
  tell.check({
    what: "what the frontend says to a customer",
    holds: /ECONNREFUSED/.test(page.error ?? ""),
    expected: `connect ECONNREFUSED ${clusterIP}:${port}`,
    seen: page.error ?? "all is well",
  });
}

/** The kernel refuses first; only then do the backends leave Envoy's table. */
async function checkShown({ tell, portico }: Stage): Promise<void> {
  let seen = "";
  const isEmpty = async () => {
    const service = (await portico.services()).find(({ name }) => name === "orders-api");
    seen = service === undefined ? "not shown" : `shown, ${service.backends.length} backends`;
    return service?.backends.length === 0;
  };
  const holds = await eventually("orders-api without backends", 10_000, isEmpty).then(
    () => true,
    () => false,
  );
  const { stdout } = await portico.command("services");
  tell.terminal("portico services", stdout);
  const what = "orders-api in `portico services`";
  tell.check({ what, holds, expected: "shown, without backends", seen });
}

async function checkRepaired({ tell, store }: Stage, fixedMs: number): Promise<void> {
  const { clusterIP, port } = store.service("orders-api");
  const backends = (await store.podsOf("orders-api")).map(({ name }) => name);
  const dialer = await store.pod("frontend-1").dialer();
  const figures = figuresFromDials(await dialer.dial(clusterIP, port, { tries: 40 }));
  tell.check({
    what: `put right; ${fixedMs} ms later`,
    holds: figures.failures.size === 0 && answeredBy(figures, backends),
    expected: `all answered, by ${backends.join(", ")}`,
    seen: `${answeredText(figures)}: ${countsText(figures.names)}`,
  });
}
