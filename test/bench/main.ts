// npm run bench -- table | connections | udp | idle: what Portico costs, beside others on the same
// machine. Wiring only; each bench is a folder.

import { Command } from "commander";
import { reexecInUserNamespace } from "../namespaces/user-namespace.ts";
import { connectionsCommand } from "./connections/command.ts";
import { idleCommand } from "./idle/command.ts";
import { tableCommand } from "./table/command.ts";
import { udpCommand } from "./udp/command.ts";
import { udpListenersCommand } from "./udp-listeners/command.ts";

await reexecInUserNamespace();
await new Command("bench")
  .description("measure Portico on this machine, beside others")
  .addCommand(tableCommand())
  .addCommand(connectionsCommand())
  .addCommand(udpCommand())
  .addCommand(udpListenersCommand())
  .addCommand(idleCommand())
  .parseAsync();
