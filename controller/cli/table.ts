// portico table push|show: the service table of an Envoy that Portico does not run, such as a
// gateway's. A folder of manifests → what differs, pushed once; nothing is watched.

import { Command } from "commander";
import { tableGateway } from "../daemon/data-plane.ts";
import type { Problem } from "../model/types.ts";
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

export function tableCommand(): Command {
  const command = new Command("table").description(
    "fill and read the service table of an Envoy that Portico does not run\n" +
      "(deploy/examples/gateway says how to set one up; `portico run` fills its own Envoy's)",
  );
  command
    .command("push")
    .requiredOption(
      "--manifests <dir>",
      "folder of YAML or JSON with Services, and EndpointSlices or Pods",
    )
    .requiredOption("--socket <path>", "the Unix socket of Envoy's table listener")
    .option(
      "--node-name <name>",
      "see the Services from this Node: its zone, and its node ports (default: from nowhere)",
    )
    .description(
      "make the table what the manifests say, and end.\n" +
        "Only what differs is sent. A folder that cannot be read whole changes nothing.",
    )
    .action(push);
  command
    .command("show")
    .requiredOption("--socket <path>", "the Unix socket of Envoy's table listener")
    .description("print the table as Envoy has it: each front door, and its backends below it")
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
  const content = `${entries.size} lists of front doors, ${backends} backends in them`;
  process.stdout.write(`table version ${version}: ${content} (${difference})\n`);
}

async function show({ socket }: { socket: string }): Promise<void> {
  const { version, records } = await withTable(socket, (client) => client.dump());
  process.stdout.write(`table version ${version}: ${records.length} lists of front doors\n`);
  process.stdout.write(textFromRecords(records));
}

/** Rejects, before anything is asked of it, unless a plugin of our wire version answers there. */
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
  if (message.includes("ENOENT")) return `There is no ${socket}: is Envoy running, in that folder?`;
  if (message.includes("ECONNREFUSED")) return `Nobody listens on ${socket}: did Envoy end?`;
  return `Is ${socket} the socket of the listener with the plugin's filter of root_id "table"?`;
}

function problemText({ object, message }: Problem): string {
  return `${object}: ${message}`;
}
