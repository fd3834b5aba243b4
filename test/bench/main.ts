// npm run bench -- table | connections | udp | idle | latency | growth | many |
// healing: what Portico costs, beside others on the same machine. Wiring only; each bench is a
// folder.

import { Command } from "commander";
import { reexecInUserNamespace } from "../namespaces/user-namespace.ts";
import { connectionsCommand } from "./connections/command.ts";
import { healingCommand } from "./healing/command.ts";
import { idleCommand } from "./idle/command.ts";
import { latencyCommand } from "./latency/command.ts";
import { growthCommand } from "./latency/growth.ts";
import { manyCommand } from "./many/command.ts";
import { keepTemporary } from "./scratch.ts";
import { tableCommand } from "./table/command.ts";
import { udpCommand } from "./udp/command.ts";
import { udpListenersCommand } from "./udp-listeners/command.ts";

await reexecInUserNamespace();
keepTemporary();
await new Command("bench")
  .description("measure Portico on this machine, beside others")
  // A subcommand of a bench has options of the same names as the bench.
  .enablePositionalOptions()
  .addCommand(tableCommand())
  .addCommand(connectionsCommand())
  .addCommand(udpCommand())
  .addCommand(udpListenersCommand())
  .addCommand(idleCommand())
  .addCommand(latencyCommand())
  .addCommand(growthCommand())
  .addCommand(manyCommand())
  .addCommand(healingCommand())
  .parseAsync();
