// Inside the cluster: a Pod calls a Service by its ClusterIP.

import { answeredBy, answeredText, countsText, figuresFromDials } from "../traffic.ts";
import type { Chapter } from "./stage.ts";

const TRIES = 60;

export const clusterIP: Chapter = async ({ tell, store }) => {
  const { clusterIP, port } = store.service("orders-api");
  const frontend = store.pod("frontend-1");
  const backends = (await store.podsOf("orders-api")).map(({ name }) => name);
  tell.chapter(
    "The frontend calls orders-api",
    `${TRIES} connections from the frontend's Pod to ${clusterIP}:${port}. Each goes to one of the`,
    "three Pods, by chance, and the Pod sees who really called.",
  );
  const dialer = await frontend.dialer();
  const figures = figuresFromDials(await dialer.dial(clusterIP, port, { tries: TRIES }));
  tell.check({
    what: "connections answered",
    holds: figures.answered === TRIES,
    expected: `${TRIES} of ${TRIES}`,
    seen: answeredText(figures),
  });
  tell.check({
    what: "answered by",
    holds: answeredBy(figures, backends),
    expected: backends.join(", "),
    seen: countsText(figures.names),
  });
  const clients = [...figures.clients].join(", ");
  tell.check({
    what: "the caller's address, as orders-api sees it",
    holds: clients === frontend.address,
    expected: `the frontend's own, ${frontend.address}`,
    seen: clients,
  });
};
