// `npm run demo`: an online store's Services on a node of network namespaces, told and checked.
//
// The order matters: whatever needs the network or the person's own rights (packages, Envoy's
// binary) comes before the user namespace, in which somebody who is not root does the rest.

import { parseArgs } from "node:util";
import { EnvoyNotFoundError, findEnvoy } from "../../envoy/find.ts";
import { reexecInUserNamespace } from "../namespaces/user-namespace.ts";
import { keepRunning, removeKept } from "./kept.ts";
import { Narrator } from "./narrator.ts";
import { MissingPrerequisite, preparePrerequisites } from "./prerequisites.ts";
import { tellStory } from "./story.ts";
import { keptWorkspace, ownWorkspace } from "./workspace.ts";

const HELP = `Portico's demo: a node and Pods out of network namespaces, an online store in them,
and what Portico does for it, told and checked with real connections. Everything is removed at the
end.

  npm run demo                tell the story (exit code 0: everything was as told)
  npm run demo -- --keep      tell it, leave the store running, and say what to try
  npm run demo -- --down      remove a store that was kept
  npm run demo -- --help      this text

As root, or as anybody where the kernel lets users make namespaces. Needs iproute2 and nftables,
and installs them through apt-get when they are missing and it may.
`;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<boolean> {
  const { keep, down, help } = readOptions();
  if (help) {
    process.stdout.write(HELP);
    return true;
  }
  if (down) {
    say((await removeKept()) ? "demo: removed" : "demo: nothing was kept");
    return true;
  }
  await preparePrerequisites(say);
  process.env.ENVOY = await findEnvoy(process.env, (line) => say(`demo: ${line}`));
  if (keep && (await removeKept())) say("demo: removed the store that was kept before");
  await reexecInUserNamespace();
  return await run(keep);
}

async function run(keep: boolean): Promise<boolean> {
  const colours = process.stdout.isTTY && !process.env.NO_COLOR;
  const tell = new Narrator((text) => process.stdout.write(text), colours);
  const stage = await tellStory(tell, keep ? keptWorkspace() : ownWorkspace(), keep);
  const asTold = tell.summary();
  if (stage !== undefined) {
    say("\nThe store goes on running.");
    for (const line of keepRunning(stage)) say(line);
  }
  return asTold;
}

function readOptions() {
  const options = {
    keep: { type: "boolean", default: false },
    down: { type: "boolean", default: false },
    help: { type: "boolean", default: false, short: "h" },
  } as const;
  return parseArgs({ options }).values;
}

function messageOf(error: NodeJS.ErrnoException): string {
  if (error instanceof MissingPrerequisite || error instanceof EnvoyNotFoundError) {
    return error.message;
  }
  if (error.code?.startsWith("ERR_PARSE_ARGS")) return `${error.message}; --help tells more`;
  return error.stack ?? error.message;
}

try {
  process.exit((await main()) ? 0 : 1);
} catch (error) {
  process.stderr.write(`demo: ${messageOf(error as NodeJS.ErrnoException)}\n`);
  process.exit(1);
}
