// Portico is started, and reads the manifests: the Services are in the data plane.

import { eventually } from "../../eventually.ts";
import type { Chapter } from "./stage.ts";

export const porticoStarts: Chapter = async ({ tell, store, portico, workspace }) => {
  tell.chapter(
    "Portico starts on the node",
    `It reads the store's Kubernetes objects from ${workspace.manifestsDirectory} and`,
    "puts the Services into Envoy and the kernel. No process listens on their addresses.",
  );
  portico.start(store.node.label, store.kept);
  const { clusterIP, port } = store.service("orders-api");
  const dialer = await store.pod("frontend-1").dialer();
  const tookMs = await eventually("orders-api answers", 30_000, async () => {
    const { outcome } = await dialer.dialOnce(clusterIP, port, { timeoutMs: 500 });
    return outcome === "answered";
  });
  const { stdout } = await portico.command("services");
  tell.terminal("portico services", stdout);
  const services = await portico.services();
  const names = services.map(({ name }) => name).sort();
  tell.check({
    what: "Services in the data plane",
    holds: names.join() === "frontend,orders-api,payments",
    expected: "frontend, orders-api, payments",
    seen: `${names.join(", ")}; the first answer came ${tookMs} ms after the start`,
  });
};
