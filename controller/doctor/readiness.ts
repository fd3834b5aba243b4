// Are the Pods that the selector matches ready, and if not, why? One finding for each cause. Pure.

import { count, type ServiceCase, some } from "./case.ts";
import { describePod, previousLogs, selectedPods } from "./kubectl.ts";
import type { DoctorPod, Finding, PodTrouble } from "./types.ts";

/**
 * Reports the Pods that are not ready, one finding per cause. Empty when there are no Pods, or they
 * could not be read.
 */
export function readinessFindings(of: ServiceCase): Finding[] {
  const { pods, service, selectorText } = of;
  if (!pods || pods.length === 0) return [];
  const nodes = notReadyNodes(of);
  const unready = pods.flatMap((each) => {
    const trouble = troubleOf(each, nodes);
    return trouble ? [{ name: each.pod.name, trouble }] : [];
  });
  if (unready.length === 0) {
    const text = pods.length === 1 ? "its Pod is ready" : `its ${pods.length} Pods are ready`;
    return [of.find("ok", "pods", text, selectedPods(service.namespace, selectorText))];
  }
  const byCause = Map.groupBy(unready, ({ trouble }) => JSON.stringify(trouble));
  return [...byCause.values()].map((group) => {
    const trouble = (group[0] as (typeof group)[number]).trouble;
    const names = group.map(({ name }) => name);
    return troubleFinding(of, trouble, names, unready.length === pods.length);
  });
}

function notReadyNodes({ cluster }: ServiceCase): ReadonlySet<string> {
  const nodes = cluster.nodes ?? [];
  return new Set(nodes.flatMap(({ node, ready }) => (ready ? [] : [node.name])));
}

/** A Pod that was ready at its node's last report does not show why it no longer is. */
function troubleOf(
  { pod, trouble }: DoctorPod,
  nodes: ReadonlySet<string>,
): PodTrouble | undefined {
  const isSilent = trouble?.code === "pod-not-ready" || trouble?.code === "readiness-probe";
  if (!isSilent || !nodes.has(pod.nodeName)) return trouble;
  return { code: "node-not-ready", text: `its node ${pod.nodeName} is not Ready` };
}

/** Without any ready Pod no client gets an answer; a terminating Pod is not an error. */
function levelOf(of: ServiceCase, { code }: PodTrouble, isEverybody: boolean) {
  if (of.service.publishNotReadyAddresses) return "note";
  if (isEverybody) return "error";
  return code === "pod-terminating" ? "note" : "warning";
}

function troubleFinding(
  of: ServiceCase,
  trouble: PodTrouble,
  names: readonly string[],
  isEverybody: boolean,
): Finding {
  const { namespace } = of.service;
  const [first = ""] = names;
  const total = of.pods?.length ?? 0;
  const which =
    names.length === total
      ? `${total === 1 ? "its only Pod" : `all its ${total} Pods`} (${some(names)})`
      : `${names.length} of its ${count(total, "Pod")} (${some(names)})`;
  const verb = names.length === 1 ? "is" : "are";
  const published = of.service.publishNotReadyAddresses
    ? "; publishNotReadyAddresses serves them anyway"
    : "";
  const text = `${which} ${verb} not ready: ${trouble.text}${published}`;
  const command =
    trouble.code === "node-not-ready"
      ? "kubectl get nodes"
      : trouble.code === "pod-crash-loop"
        ? previousLogs(namespace, first)
        : describePod(namespace, first);
  return of.find(levelOf(of, trouble, isEverybody), trouble.code, text, command);
}
