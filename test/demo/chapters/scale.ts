// From 3 Pods to 8 and back, under traffic that does not stop.

import { eventually } from "../../eventually.ts";
import { LongConnections, Stream } from "../clients.ts";
import { answeredBy, answeredText, countsText, figuresFromDials } from "../traffic.ts";
import type { Chapter, Stage } from "./stage.ts";

const LONG_AT_FIRST = 12;
const LONG_AT_EIGHT = 24;
const MORE = 5;

export const scale: Chapter = async (stage) => {
  const { tell, store } = stage;
  const { clusterIP, port } = store.service("orders-api");
  const stay = (await store.podsOf("orders-api")).map(({ name }) => name);
  tell.chapter(
    `Scale from ${stay.length} to ${stay.length + MORE} and back, under traffic`,
    "New connections come all the time, others stay open and keep asking. Pods that leave get",
    "no new connections, and finish those that they have.",
  );
  const dialer = await store.pod("frontend-1").dialer();
  const long = new LongConnections();
  await long.add(dialer, clusterIP, port, LONG_AT_FIRST);
  const newOnes = new Stream(dialer, clusterIP, port);

  const added = await store.startMore("orders-api", MORE);
  await store.manifests.replacePods("orders-api", added, []);
  await untilBackends(stage, stay.length + MORE);
  await long.add(dialer, clusterIP, port, LONG_AT_EIGHT);
  const atEight = figuresFromDials(await dialer.dial(clusterIP, port, { tries: 120 }));
  tell.say(`open connections with ${stay.length + MORE} Pods: ${countsText(long.holders())}`);

  await store.manifests.beginDeletion("orders-api", added, new Date());
  await untilBackends(stage, stay.length);
  const names = added.map(({ name }) => name);
  const drained = figuresFromDials(await dialer.dial(clusterIP, port, { tries: 40 }));
  const finished = await long.finish(names);
  await store.manifests.replacePods("orders-api", [], added);
  await store.end(added);

  const stream = await newOnes.stop();
  const rest = await long.finish();
  tell.check({
    what: "new connections while it went up and down",
    holds: stream.failures.size === 0 && stream.answered > 0,
    expected: "all answered",
    seen: answeredText(stream),
  });
  tell.check({
    what: `answered by, with ${stay.length + MORE} Pods`,
    holds: answeredBy(atEight, [...stay, ...names]),
    expected: `all ${stay.length + MORE}`,
    seen: countsText(atEight.names),
  });
  tell.check({
    what: "new connections to Pods that were leaving",
    holds: names.every((name) => !drained.names.has(name)),
    expected: "none",
    seen: countsText(new Map([...drained.names].filter(([name]) => names.includes(name)))),
  });
  tell.check({
    what: "open connections lost",
    holds: long.lost.length === 0,
    expected: `0 of ${LONG_AT_FIRST + LONG_AT_EIGHT}`,
    seen:
      long.lost.length === 0
        ? `0 of ${finished + rest}, ${finished} of them on Pods that were leaving; ` +
          `${long.requests} requests answered`
        : long.lost.join(", "),
  });
};

/** Waits until the data plane has that many backends for orders-api. */
async function untilBackends({ portico }: Stage, count: number): Promise<void> {
  await eventually(`${count} backends of orders-api in the data plane`, 15_000, async () => {
    const service = (await portico.services()).find(({ name }) => name === "orders-api");
    return service?.backends.length === count;
  });
}
