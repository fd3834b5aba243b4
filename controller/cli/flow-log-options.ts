// The flags of the flow log → FlowLogOptions, or an error that says what is wrong with them.

import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { FlowLogOptions } from "../xds/flow-log.ts";

export interface FlowLogFlags {
  flowLog?: string;
  flowLogSample: number;
  flowLogServices?: string[];
}

export function addFlowLogOptions(command: Command): void {
  command
    .option(
      "--flow-log <file>",
      "have Envoy write a line of JSON here for each connection that has ended; -: to its " +
        "standard output (with --with-envoy, envoy.log beside its sockets). Default: nowhere",
      fileFromText,
    )
    .addOption(
      new Option(
        "--flow-log-sample <part>",
        "of all connections, such as 0.01 for one in a hundred",
      )
        .argParser(sampleFromText)
        .default(1, "1, all"),
    )
    .option(
      "--flow-log-services <list>",
      "only connections to these Services: namespace/name, with commas between",
      servicesFromText,
    );
}

export function flowLogFromFlags(flags: FlowLogFlags): FlowLogOptions | undefined {
  const { flowLog: file, flowLogSample: sample, flowLogServices: services = [] } = flags;
  if (file !== undefined) return { file, sample, services };
  if (sample === 1 && services.length === 0) return undefined;
  throw new Error("--flow-log-sample and --flow-log-services say nothing without --flow-log");
}

/** Envoy refuses its listeners when it cannot open the file, so that it is tried before. */
function fileFromText(text: string): string {
  if (text === "-") return text;
  const file = resolve(text);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InvalidArgumentError(`${file} is a folder; give a file.`);
  }
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new InvalidArgumentError(`Nobody can write there: ${(error as Error).message}`);
  }
  return file;
}

function sampleFromText(text: string): number {
  const sample = Number(text);
  if (text.trim() !== "" && sample >= 0.000001 && sample <= 1) return sample;
  throw new InvalidArgumentError("Give a number from 0.000001 to 1, such as 0.01.");
}

/** namespace/name, both as RFC 1123 and 1035 have labels. */
const SERVICE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

function servicesFromText(text: string): string[] {
  const services = text.split(",").map((each) => each.trim());
  const wrong = services.find((each) => !SERVICE.test(each));
  if (wrong === undefined) return services;
  throw new InvalidArgumentError(`"${wrong}" is no namespace/name, such as shop/orders-api.`);
}
