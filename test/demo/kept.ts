// A demo that goes on running: how people get in, what they may type, and how it is removed.
//
// Without root everything of it is in a user namespace, which lives as long as a process in it: a
// holder that sleeps. Its process id stands in a file in the checkout, because the /run that the
// demo sees is its own.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { geteuid } from "node:process";
import type { Stage } from "./chapters/stage.ts";
import { porticoCommand, stopController } from "./portico.ts";
import { isInstalled } from "./prerequisites.ts";
import { shellFunction } from "./shell-function.ts";
import type { Store } from "./store.ts";
import { isPresent, keptWorkspace, removeWorkspace, type Workspace } from "./workspace.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const MAIN = new URL("main.ts", import.meta.url).pathname;
const HOLDER_FILE = new URL("../../.cache/demo-holder", import.meta.url).pathname;
/** Set by test/namespaces/user-namespace.ts for what runs in the namespace that it made. */
const INSIDE = "PORTICO_USER_NAMESPACE";

/** Removes the kept demo of this user; false when there is none. */
export async function removeKept(): Promise<boolean> {
  if (geteuid?.() !== 0) return removeKeptInside();
  const workspace = keptWorkspace();
  if (!isPresent(workspace)) return false;
  // Its rules and routes go with the node's network namespace.
  await stopController(workspace);
  removeWorkspace(workspace);
  return true;
}

function removeKeptInside(): boolean {
  const holder = livingHolder();
  rmSync(HOLDER_FILE, { force: true });
  if (holder === undefined) return false;
  const [program, ...args] = [...entering(holder), process.execPath, MAIN, "--down"];
  const { status } = spawnSync(program as string, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, [INSIDE]: "1" },
  });
  if (status !== 0) throw new Error(`the demo in the user namespace of ${holder} is not removed`);
  return true;
}

/** The process that holds the user namespace; undefined when there is none any more. */
function livingHolder(): number | undefined {
  try {
    const pid = Number(readFileSync(HOLDER_FILE, "utf8"));
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return environment.includes(`${INSIDE}=1`) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function entering(holder: number): string[] {
  const namespaces = ["--user", "--mount", "--net"];
  return ["nsenter", `--target=${holder}`, ...namespaces, "--preserve-credentials", "--"];
}

/** Lets the store go on when this process ends; returns what people may do with it, as lines. */
export function keepRunning({ store, workspace }: Stage): string[] {
  const lines = thingsToTry(store, workspace);
  if (process.env[INSIDE] === undefined) return lines;
  const holder = startHolder(store);
  return [
    "You are not root: everything is in a user namespace. Enter that first:",
    `  ${entering(holder).join(" ")} sh`,
    "  export PATH=$PATH:/usr/sbin:/sbin",
    ...lines,
  ];
}

function startHolder(store: Store): number {
  const { pid } = store.outside.spawn("sleep", ["infinity"], { outlive: true, stdio: "ignore" });
  mkdirSync(dirname(HOLDER_FILE), { recursive: true });
  writeFileSync(HOLDER_FILE, `${pid}\n`);
  return pid as number;
}

function thingsToTry(store: Store, { manifestsDirectory, runDirectory, logFile }: Workspace) {
  const orders = store.service("orders-api");
  const frontend = store.service("frontend");
  const pod = `ip netns exec ${store.pod("frontend-1").name}`;
  const file = `${manifestsDirectory}/orders-api.yaml`;
  return [
    "Ask Portico; this function runs it on the demo's node:",
    `  ${shellFunction(store.node.name, porticoCommand([]), runDirectory)}`,
    "  portico services",
    "  portico explain shop/orders-api --from shop/frontend-1",
    "  portico explain shop/orders-api --try",
    `  portico doctor shop/payments --manifests ${manifestsDirectory}`,
    "  portico check",
    "  portico plugin status",
    "Enter the frontend's Pod, or call orders-api from it:",
    `  ${pod} sh`,
    `  ${pod} ${fetchCommand(`http://${orders.clusterIP}:${orders.port}/`)}`,
    "Be a customer outside:",
    `  ip netns exec ${store.outside.name} ` +
      fetchCommand(`http://${store.node.address}:${frontend.nodePort}/checkout`),
    "Make the first orders-api Pod unready, then ready again, and ask Portico each time; or edit",
    `whatever else in ${manifestsDirectory}:`,
    `  sed -i '0,/status: "True"/s//status: "False"/' ${file}`,
    `  sed -i '0,/status: "False"/s//status: "True"/' ${file}`,
    "See what the kernel holds, and what controller and Envoy say:",
    `  ip netns exec ${store.node.name} nft list table inet portico`,
    `  tail ${logFile}`,
    "Remove it all:",
    `  npm --prefix ${ROOT} run demo -- --down`,
  ];
}

function fetchCommand(url: string): string {
  if (isInstalled("curl")) return `curl --silent ${url}`;
  return `${process.execPath} -e "fetch('${url}').then(async (r) => console.log(await r.text()))"`;
}
