// What is running, as text for debugging: /statusz and /flagz, in the words of Kubernetes'
// components (KEP-4827, KEP-4828; seen in kube-proxy 1.37). Pure.

import { TEXT } from "../http/answer.ts";
import type { Route } from "../http/routes.ts";

export interface ZpageFacts {
  version: string;
  /** Milliseconds since 1970, as `now`'s. */
  startedAt: number;
  now: () => number;
  /** Its settings, wherever they were given; undefined for those not set. */
  settings: Readonly<Record<string, unknown>>;
}

const WARNING =
  "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility " +
  "guarantees and is for debugging purposes only.";

/** Returns the pages. `paths`: the other paths served there. */
export function zpages(facts: ZpageFacts, paths: readonly string[]): Record<string, Route> {
  return {
    "/flagz": () => page(`portico flagz\n${WARNING}`, flagLines(facts.settings)),
    "/statusz": () => page(`portico statusz\n${WARNING}\n`, statusLines(facts, paths)),
  };
}

function page(head: string, lines: readonly string[]) {
  return { status: 200, type: TEXT, body: `\n${head}\n${lines.join("\n")}\n` };
}

function flagLines(settings: ZpageFacts["settings"]): string[] {
  return Object.entries(settings)
    .map(([name, value]) => `${asFlag(name)}=${asText(value)}`)
    .sort();
}

/** "withEnvoy" → "with-envoy" */
function asFlag(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase();
}

function asText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function statusLines({ version, startedAt, now }: ZpageFacts, paths: readonly string[]): string[] {
  const seconds = Math.floor((now() - startedAt) / 1_000);
  const part = (amount: number) => String(amount).padStart(2, "0");
  const minutes = part(Math.floor(seconds / 60) % 60);
  return [
    `Started: ${new Date(startedAt).toUTCString()}`,
    `Up: ${Math.floor(seconds / 3_600)} hr ${minutes} min ${part(seconds % 60)} sec`,
    `Node version: ${process.version}`,
    `Binary version: ${version}`,
    `Paths: ${[...paths].sort().join(" ")}`,
  ];
}
