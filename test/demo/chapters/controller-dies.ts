// The controller dies without a word and is started again. Envoy and the kernel do the work, so
// that nobody notices.

import { eventually } from "../../eventually.ts";
import { LongConnections, Stream } from "../clients.ts";
import { killController } from "../portico.ts";
import { answeredText } from "../traffic.ts";
import type { Chapter } from "./stage.ts";

const LONG = 6;

export const controllerDies: Chapter = async ({ tell, store, portico, workspace }) => {
  const { clusterIP, port } = store.service("orders-api");
  tell.chapter(
    "The controller dies",
    "kill -9. Envoy has the Services and the kernel hands connections to it, with or without a",
    "controller; the next one finds what is programmed, and goes on from there.",
  );
  const dialer = await store.pod("frontend-1").dialer();
  const long = new LongConnections();
  await long.add(dialer, clusterIP, port, LONG);
  const newOnes = new Stream(dialer, clusterIP, port);
  await killController(workspace);
  portico.start(store.node.label, store.kept);
  const backMs = await eventually("the new controller answers", 15_000, async () => {
    return (await portico.command("plugin", "status")).code === 0;
  });
  const stream = await newOnes.stop();
  const alive = await long.finish();
  tell.check({
    what: `new connections until it was back (${backMs} ms)`,
    holds: stream.failures.size === 0 && stream.answered > 0,
    expected: "all answered",
    seen: answeredText(stream),
  });
  tell.check({
    what: "open connections",
    holds: alive === LONG,
    expected: `${LONG} of ${LONG} go on`,
    seen: `${alive} of ${LONG} go on`,
  });
};
