// The chapters in their order, and the care that everything is removed at the end: after the last
// chapter, when the story breaks off, and when somebody interrupts it.

import { existsSync } from "node:fs";
import { backendDies } from "./chapters/backend-dies.ts";
import { backendsFail } from "./chapters/backends-fail.ts";
import { brokenPlugin } from "./chapters/broken-plugin.ts";
import { cleanUp } from "./chapters/clean-up.ts";
import { clusterIP } from "./chapters/cluster-ip.ts";
import { controllerDies } from "./chapters/controller-dies.ts";
import { newPlugin } from "./chapters/new-plugin.ts";
import { nodePort } from "./chapters/node-port.ts";
import { porticoStarts } from "./chapters/portico-starts.ts";
import { scale } from "./chapters/scale.ts";
import type { Chapter, Stage } from "./chapters/stage.ts";
import { wrongSelector } from "./chapters/wrong-selector.ts";
import { type KernelState, kernelState } from "./kernel-state.ts";
import type { Narrator } from "./narrator.ts";
import { Portico } from "./portico.ts";
import { Store } from "./store.ts";
import { makeWorkspace, namespacesOf, removeWorkspace, type Workspace } from "./workspace.ts";

/** Each is told on the state that the ones before it left: three Pods of orders-api. */
const CHAPTERS: readonly Chapter[] = [
  porticoStarts,
  clusterIP,
  nodePort,
  backendDies,
  backendsFail,
  scale,
  wrongSelector,
  newPlugin,
  brokenPlugin,
  controllerDies,
];
/** Lines of the controller's log that are shown when the story breaks off. */
const WORDS = 12;

/**
 * Tells the whole story, and counts with `tell` what was not as told. Returns the stage when it is
 * to be kept and the story came to its end; undefined when everything has been removed.
 */
export async function tellStory(
  tell: Narrator,
  workspace: Workspace,
  keep: boolean,
): Promise<Stage | undefined> {
  const interrupted = interruption();
  const lastResort = () => removeWorkspace(workspace);
  process.on("exit", lastResort);
  makeWorkspace(workspace);
  let stage: Stage | undefined;
  let before: KernelState | undefined;
  let whole = false;
  try {
    stage = await Promise.race([raise(tell, workspace, keep), interrupted]);
    before = await kernelState(stage.store.node);
    for (const chapter of CHAPTERS) await Promise.race([chapter(stage), interrupted]);
    whole = true;
  } catch (error) {
    const wasInterrupted = error instanceof Interrupted;
    tell.broken(error, wasInterrupted ? "" : stage?.portico.lastWords(WORDS));
  }
  if (stage !== undefined && whole && keep) {
    process.off("exit", lastResort);
    return stage;
  }
  // A chapter that was broken off may not have noticed yet; nobody listens to it any more.
  const listener = tell.handOver();
  if (stage !== undefined && before !== undefined) {
    await cleanUp({ ...stage, tell: listener }, before).catch((error) => listener.broken(error));
  }
  await stage?.store.close();
  removeWorkspace(workspace);
  checkRemoved(listener, workspace);
  return undefined;
}

/** Somebody ended the story early. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Rejects at the first signal that asks us to end; later ones are heard and change nothing. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => reject(new Interrupted(`interrupted by ${signal}`)));
    }
  });
}

async function raise(tell: Narrator, workspace: Workspace, keep: boolean): Promise<Stage> {
  const store = await Store.start(workspace, keep);
  tell.say(
    "An online store in Kubernetes objects, on a node and Pods that are network namespaces:",
  );
  tell.say(`node ${store.node.label} ${store.node.address}`);
  const pods = [...store.node.pods.values()];
  for (const { name } of store.services) {
    const own = pods.filter(({ label }) => label.startsWith(`${name}-`));
    tell.say(`${name}: ${own.map(({ label, address }) => `${label} ${address}`).join(", ")}`);
  }
  return { tell, store, portico: new Portico(store.node, workspace), workspace };
}

function checkRemoved(tell: Narrator, workspace: Workspace): void {
  const left = [...namespacesOf(workspace)];
  if (existsSync(workspace.directory)) left.push(workspace.directory);
  tell.check({
    what: "left of the demo on this machine",
    holds: left.length === 0,
    expected: "nothing",
    seen: left.join(", ") || "no network namespace, process or file",
  });
}
