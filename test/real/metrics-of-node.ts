// A node's /metrics, as Prometheus would read it.

import type { Namespace } from "../namespaces/namespace.ts";

export interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const FETCH =
  "fetch('http://127.0.0.1:10249' + process.argv[1])" +
  ".then(async (answer) => process.stdout.write(await answer.text()))";

/** Asks the controller that runs on the node, at kube-proxy's port. */
export async function textOfNode(node: Namespace, path = "/metrics"): Promise<string> {
  const { stdout } = await node.exec(process.execPath, ["-e", FETCH, path]);
  return stdout;
}

export async function metricsOf(node: Namespace): Promise<Series[]> {
  return (await textOfNode(node)).split("\n").flatMap((line) => seriesFrom(line) ?? []);
}

function seriesFrom(line: string): Series | undefined {
  const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (!found) return undefined;
  const [, name = "", text = "", value = ""] = found;
  const pairs = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", its = ""]) => {
    return [label, its] as const;
  });
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}
