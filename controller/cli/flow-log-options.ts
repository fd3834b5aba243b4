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

/** Adds the flags of FlowLogFlags. The log is off by default. */
export function addFlowLogOptions(command: Command): void {
  command
    .option(
      "--flow-log <file>",
      "write a line of JSON to this file for each connection that has ended; -: to Envoy's " +
        "standard output (with --with-envoy, envoy.log next to its sockets). Default: off",
      fileFromText,
    )
    .addOption(
      new Option(
        "--flow-log-sample <part>",
        "fraction of connections to log, such as 0.01 for one in a hundred",
      )
        .argParser(sampleFromText)
        .default(1, "1, all"),
    )
    .option(
      "--flow-log-services <list>",
      "log only connections to these Services: comma-separated namespace/name",
      servicesFromText,
    );
}

/**
 * Returns the options that the flags mean; undefined: no flow log. Throws when a flag has no effect
 * without the log.
 */
export function flowLogFromFlags(flags: FlowLogFlags): FlowLogOptions | undefined {
  const { flowLog: file, flowLogSample: sample, flowLogServices: services = [] } = flags;
  if (file !== undefined) return { file, sample, services };
  if (sample === 1 && services.length === 0) return undefined;
  throw new Error("--flow-log-sample and --flow-log-services have no effect without --flow-log");
}

/** Tries the file first: Envoy refuses its listeners when it cannot open it. */
function fileFromText(text: string): string {
  if (text === "-") return text;
  const file = resolve(text);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InvalidArgumentError(`${file} is a directory; give a file.`);
  }
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new InvalidArgumentError(`Cannot write there: ${(error as Error).message}`);
  }
  return file;
}

function sampleFromText(text: string): number {
  const sample = Number(text);
  if (text.trim() !== "" && sample >= 0.000001 && sample <= 1) return sample;
  throw new InvalidArgumentError("Give a number from 0.000001 to 1, such as 0.01.");
}

/** namespace/name, labels as in RFC 1123 and RFC 1035. */
const SERVICE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

function servicesFromText(text: string): string[] {
  const services = text.split(",").map((each) => each.trim());
  const wrong = services.find((each) => !SERVICE.test(each));
  if (wrong === undefined) return services;
  throw new InvalidArgumentError(`"${wrong}" is not a namespace/name such as shop/orders-api.`);
}
