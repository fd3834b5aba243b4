// From outside: a client that is in no cluster calls the node port.

import { OUTSIDE_ADDRESSES } from "../../namespaces/addresses.ts";
import { answeredText, figuresFromDials, requestOnce } from "../traffic.ts";
import type { Chapter } from "./stage.ts";

const TRIES = 30;

export const nodePort: Chapter = async ({ tell, store }) => {
  const address = store.node.address;
  const { nodePort } = store.service("frontend");
  tell.chapter(
    "A customer calls from outside",
    `${OUTSIDE_ADDRESSES[0]} knows nothing of the cluster but the node's address: it calls`,
    `${address}:${nodePort}. A checkout passes three Services: frontend, orders-api, payments.`,
  );
  const dialer = await store.outside.dialer();
  const figures = figuresFromDials(await dialer.dial(address, nodePort, { tries: TRIES }));
  tell.check({
    what: "connections answered",
    holds: figures.answered === TRIES,
    expected: `${TRIES} of ${TRIES}`,
    seen: answeredText(figures),
  });
  const clients = [...figures.clients].join(", ");
  tell.check({
    what: "the caller's address, as the frontend sees it",
    holds: clients === address,
    expected: `the node's, ${address} (so that answers come back this way)`,
    seen: clients,
  });
  const page = await requestOnce(dialer, address, nodePort, "/checkout");
  const passed = [page.name, page.next?.name ?? "", page.next?.next?.name ?? ""];
  tell.check({
    what: "a checkout passed",
    holds: /^frontend-1 → orders-api-\d → payments-1$/.test(passed.join(" → ")),
    expected: "frontend-1 → orders-api-… → payments-1",
    seen: passed.join(" → ") + (page.error === undefined ? "" : ` (${page.error})`),
  });
};
