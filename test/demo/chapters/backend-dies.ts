// A Pod dies, and the cluster puts another in its place.

import { eventually } from "../../eventually.ts";
import { LongConnections } from "../clients.ts";
import { answeredBy, answeredText, countsText, figuresFromDials } from "../traffic.ts";
import type { Chapter } from "./stage.ts";

const LONG = 12;
const TRIES = 60;

export const backendDies: Chapter = async ({ tell, store }) => {
  const { clusterIP, port } = store.service("orders-api");
  const [, victim] = await store.podsOf("orders-api");
  if (victim === undefined) throw new Error("orders-api has no second Pod to kill");
  tell.chapter(
    "A backend dies",
    `${victim.name} is killed, process and network, while ${LONG} connections are open. The`,
    "cluster starts another Pod in its place and writes that down; Portico reads it.",
  );
  const dialer = await store.pod("frontend-1").dialer();
  const long = new LongConnections();
  await long.add(dialer, clusterIP, port, LONG);
  const doomed = long.holders().get(victim.name) ?? 0;
  await store.kill(victim.name);
  const [heir] = await store.startMore("orders-api", 1);
  if (heir === undefined) throw new Error("no Pod was started");
  await store.manifests.replacePods("orders-api", [heir], [victim]);
  const tookMs = await eventually(`${heir.name} answers`, 10_000, async () => {
    const tries = await dialer.dial(clusterIP, port, { tries: 3, timeoutMs: 100 });
    return tries.some(({ name }) => name === heir.name);
  });
  const figures = figuresFromDials(await dialer.dial(clusterIP, port, { tries: TRIES }));
  const backends = (await store.podsOf("orders-api")).map(({ name }) => name);
  tell.check({
    what: `new connections, ${tookMs} ms after the manifest changed`,
    holds: figures.answered === TRIES,
    expected: `${TRIES} of ${TRIES} answered`,
    seen: answeredText(figures),
  });
  tell.check({
    what: "answered by",
    holds: answeredBy(figures, backends) && backends.includes(heir.name),
    expected: backends.join(", "),
    seen: countsText(figures.names),
  });
  const alive = await long.finish();
  tell.check({
    what: `the ${LONG} open connections`,
    holds: long.lost.length === doomed && alive === LONG - doomed,
    expected: `${doomed} ended with their Pod, ${LONG - doomed} went on`,
    seen: `${long.lost.length} ended with their Pod, ${alive} went on`,
  });
};
