// A backend refuses and another one vanishes, while the cluster still calls both ready.

import { eventually } from "../../eventually.ts";
import {
  answeredBy,
  answeredText,
  countsText,
  type Figures,
  figuresFromDials,
} from "../traffic.ts";
import type { Chapter } from "./stage.ts";

const TRIES = 60;
/** Until both clients have met both: one in five picks does, and a silent one takes a second. */
const NOTICED_MS = 30_000;
const PATIENCE_MS = 10_000;

export const backendsFail: Chapter = async ({ tell, store, portico }) => {
  const { clusterIP, port } = store.service("orders-api");
  const stay = (await store.podsOf("orders-api")).map(({ name }) => name);
  const added = await store.startMore("orders-api", 2);
  const [refusing, silent] = added;
  if (refusing === undefined || silent === undefined) throw new Error("no Pods were started");
  tell.chapter(
    "A backend refuses, and a node vanishes",
    `${refusing.name} loses its process, ${silent.name} its node: nothing answers there any more.`,
    "The cluster goes on calling both ready, as it does for seconds to minutes.",
  );
  await store.manifests.replacePods("orders-api", added, []);
  await eventually(`${stay.length + 2} backends of orders-api`, 15_000, async () => {
    const service = (await portico.services()).find(({ name }) => name === "orders-api");
    return service?.backends.length === stay.length + 2;
  });
  const clients = ["frontend-1", "payments-1"].map((name) => store.pod(name));
  const dialers = await Promise.all(clients.map((client) => client.dialer()));
  const dial = async (tries: number): Promise<Figures> => {
    const options = { tries, timeoutMs: PATIENCE_MS };
    const results = dialers.map((dialer) => dialer.dial(clusterIP, port, options));
    return figuresFromDials((await Promise.all(results)).flat());
  };

  await store.crash(refusing.name);
  const whileOneRefuses = await dial(TRIES);
  await store.vanish(silent.name);
  const whileOneIsSilent = await dial(TRIES);
  let more = 0;
  await eventually("both are left alone", NOTICED_MS, async () => {
    const figures = await dial(5);
    more += figures.tried - figures.answered;
    const ejected = await portico.ejected("orders-api");
    return added.every(({ address }) => ejected.has(address));
  });
  const failing = [...(await portico.ejected("orders-api"))].sort();
  const afterwards = await dial(TRIES);

  const all = 2 * TRIES;
  const served = (what: string, figures: Figures) =>
    tell.check({
      what,
      holds: figures.answered === all,
      expected: `${all} of ${all} answered`,
      seen: answeredText(figures),
    });
  served(`connections while ${refusing.name} refuses`, whileOneRefuses);
  served(`while ${silent.name} has vanished too`, whileOneIsSilent);
  tell.check({
    what: "left alone by new connections of all clients, while the manifests call them ready",
    holds: failing.length === 2 && more === 0,
    expected: added.map(({ address }) => address).join(", "),
    seen: failing.join(", ") + (more === 0 ? "" : `; ${more} clients not answered meanwhile`),
  });
  served("connections after that", afterwards);
  tell.check({
    what: "answered by",
    holds: answeredBy(afterwards, stay),
    expected: stay.join(", "),
    seen: countsText(afterwards.names),
  });
  await store.manifests.replacePods("orders-api", [], added);
  await store.end(added);
};
