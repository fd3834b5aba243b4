// The end: Portico leaves the node as it found it.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../eventually.ts";
import { differences, type KernelState, kernelState } from "../kernel-state.ts";
import { stopController } from "../portico.ts";
import type { Stage } from "./stage.ts";

const GRACE_MS = 3_000;

/** `before` is the node's state before Portico started. */
export async function cleanUp(stage: Stage, before: KernelState): Promise<void> {
  const { tell, portico, workspace } = stage;
  tell.chapter("Portico goes", "The controller is stopped, then everything of Portico's removed.");
  const ended = await stopController(workspace);
  tell.check({
    what: "the controller",
    holds: ended,
    expected: "ends when it is told to",
    seen: ended ? "ended" : "had to be killed",
  });
  const { code, stdout, stderr } = await portico.command("cleanup");
  tell.terminal("portico cleanup", `${stdout}${stderr}`);
  const left = code === 0 ? await leftBehind(stage, before) : [`cleanup ended with ${code}`];
  tell.check({
    what: "left of Portico on the node",
    holds: left.length === 0,
    expected: "nothing",
    seen: left.join("; ") || "no rule, route, process or socket",
  });
}

/** A command of a chapter that was broken off may need a moment to end. */
async function leftBehind({ store, workspace }: Stage, before: KernelState): Promise<string[]> {
  let left: string[] = [];
  await eventually("nothing left", GRACE_MS, async () => {
    const after = await kernelState(store.node);
    left = [
      ...differences(before.rules, after.rules),
      ...differences(before.processes, after.processes),
      ...sockets(workspace.runDirectory),
    ];
    return left.length === 0;
  }).catch(() => {});
  return left;
}

function sockets(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const paths = readdirSync(directory).map((name) => join(directory, name));
  return paths.filter((path) => statSync(path).isSocket()).map((path) => `socket ${path}`);
}
