// portico table push|show: the service table of an Envoy that Portico does not run, such as a
// gateway's. A folder of manifests → what differs, pushed once; it watches nothing.

import { Command } from "commander";
import type { Problem } from "../model/types.ts";
import { tableGateway } from "../plane/gateways.ts";
import { bringTableTo } from "../sync/bring-table-to.ts";
import { TableClient } from "../table/client.ts";
import { TableError } from "../table/table-error.ts";
import { textFromRecords } from "../wire/dump.ts";
import { tableFromManifests } from "./table-from-manifests.ts";

interface PushOptions {
  manifests: string;
  socket: string;
  nodeName?: string;
}

/** Returns the command `portico table` with its subcommands, which need no controller. */
export function tableCommand(): Command {
  const command = new Command("table")
    .summary("fill and read the service table of an Envoy that Portico does not run")
    .description(
      "fill and read the service table of an Envoy that Portico does not run\n" +
        "(set one up as in deploy/examples/gateway; `portico run` fills its own Envoy's table)",
    );
  command
    .command("push")
    .requiredOption(
      "--manifests <dir>",
      "directory of YAML or JSON files with Services, and EndpointSlices or Pods",
    )
    .requiredOption("--socket <path>", "Unix socket of Envoy's table listener")
    .option(
      "--node-name <name>",
      "apply this Node's view: its zone and its node ports (default: no node's)",
    )
    .description(
      "push the Services of the manifests to the table, and exit.\n" +
        "Sends only the differences. If a file of the directory cannot be read, nothing changes.",
    )
    .action(push);
  command
    .command("show")
    .requiredOption("--socket <path>", "Unix socket of Envoy's table listener")
    .description("print Envoy's table: each frontend, with its backends below it")
    .action(show);
  return command;
}

async function push({ manifests, socket, nodeName }: PushOptions): Promise<void> {
  const { entries, warnings } = await tableFromManifests(manifests, nodeName);
  for (const warning of warnings) process.stderr.write(`warning: ${problemText(warning)}\n`);
  const { version, changed, removed } = await withTable(socket, (client) =>
    bringTableTo(entries, tableGateway(client)),
  );
  let backends = 0;
  for (const { backendCount } of entries.values()) backends += backendCount;
  const difference =
    changed + removed === 0 ? "nothing differed" : `${changed} changed, ${removed} removed`;
  const content = `${entries.size} entries, ${backends} backends`;
  process.stdout.write(`table version ${version}: ${content} (${difference})\n`);
}

async function show({ socket }: { socket: string }): Promise<void> {
  const { version, records } = await withTable(socket, (client) => client.dump());
  process.stdout.write(`table version ${version}: ${records.length} entries\n`);
  process.stdout.write(textFromRecords(records));
}

/** Rejects, before it asks anything else, unless a plugin of our wire version answers there. */
async function withTable<T>(socket: string, use: (client: TableClient) => Promise<T>): Promise<T> {
  const client = new TableClient(socket);
  try {
    await client.expectOurWireVersion();
    return await use(client);
  } catch (error) {
    throw explained(error as Error, socket);
  } finally {
    client.close();
  }
}

function explained(error: Error, socket: string): Error {
  if (!(error instanceof TableError) || error.code !== "unreachable") return error;
  return new Error(`${error.message}\n${hintFor(error.message, socket)}`);
}

function hintFor(message: string, socket: string): string {
  if (message.includes("EACCES")) return "Run this as the user that Envoy runs as.";
  if (message.includes("ENOENT"))
    return `${socket} does not exist: is Envoy running, in that directory?`;
  if (message.includes("ECONNREFUSED")) return `Nothing listens on ${socket}: has Envoy exited?`;
  return `Is ${socket} the socket of the listener with the plugin's filter of root_id "table"?`;
}

function problemText({ object, message }: Problem): string {
  return `${object}: ${message}`;
}
