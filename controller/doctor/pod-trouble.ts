// A Pod as the API has it → why it is not ready: the first step of its life that has not happened.
// Pure. Conditions and reasons are the kubelet's and the scheduler's (Pod v1).

import { type JsonRecord, listOf, recordOf, textOf } from "../model/json.ts";
import type { PodTrouble } from "./types.ts";

/** Returns undefined when the condition Ready is True, or when there are no conditions. */
export function podTroubleFromObject(json: unknown): PodTrouble | undefined {
  const { metadata, spec, status } = recordOf(json);
  const pod = { metadata: recordOf(metadata), spec: recordOf(spec), status: recordOf(status) };
  const conditions = listOf(pod.status.conditions).map(recordOf);
  if (textOf(pod.metadata.deletionTimestamp) !== "") {
    return { code: "pod-terminating", text: "being deleted" };
  }
  const ready = conditions.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return undefined;
  // A hand-written Pod rarely has a status: it counts as ready, as in manifests-pod.ts.
  if (!ready && ["", "Running"].includes(textOf(pod.status.phase))) return undefined;
  return (
    unscheduled(pod, conditions) ??
    troubleOfInit(pod) ??
    troubleOfContainers(pod) ??
    troubleOfGates(pod, conditions) ??
    withoutAddress(pod) ??
    troubleOfProbes(pod) ??
    unexplained(ready)
  );
}

interface RawPod {
  metadata: JsonRecord;
  spec: JsonRecord;
  status: JsonRecord;
}

function unscheduled({ spec }: RawPod, conditions: readonly JsonRecord[]): PodTrouble | undefined {
  if (textOf(spec.nodeName) !== "") return undefined;
  const scheduled = conditions.find(({ type }) => type === "PodScheduled");
  const why = [scheduled?.reason, scheduled?.message].map(textOf).filter((text) => text !== "");
  const said = why.length === 0 ? "" : `: ${oneLine(why.join(": "))}`;
  return { code: "pod-unscheduled", text: `not scheduled yet${said}` };
}

function troubleOfInit({ status, spec }: RawPod): PodTrouble | undefined {
  const sidecars = new Set(
    listOf(spec.initContainers)
      .map(recordOf)
      .filter(({ restartPolicy }) => restartPolicy === "Always")
      .map(({ name }) => name),
  );
  for (const container of listOf(status.initContainerStatuses).map(recordOf)) {
    if (sidecars.has(container.name)) continue;
    const state = recordOf(container.state);
    if (recordOf(state.terminated).exitCode === 0) continue;
    const waiting = troubleOfState(container);
    const name = textOf(container.name);
    if (waiting) return { code: "pod-init", text: `init ${waiting.text}` };
    return { code: "pod-init", text: `init container ${name} has not finished` };
  }
  return undefined;
}

function troubleOfContainers({ status, spec }: RawPod): PodTrouble | undefined {
  const init = new Set(listOf(spec.initContainers).map((each) => recordOf(each).name));
  const sidecars = listOf(status.initContainerStatuses)
    .map(recordOf)
    .filter(({ name }) => init.has(name) && textOf(name) !== "");
  const containers = [...listOf(status.containerStatuses).map(recordOf), ...sidecars];
  for (const container of containers) {
    const isDone = recordOf(recordOf(container.state).terminated).exitCode === 0;
    const trouble = isDone && sidecars.includes(container) ? undefined : troubleOfState(container);
    if (trouble) return trouble;
  }
  return undefined;
}

const IMAGE_REASONS = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
  "RegistryUnavailable",
]);

/** Returns the trouble in one container's status; undefined while it runs. */
function troubleOfState(container: JsonRecord): PodTrouble | undefined {
  const name = `container ${textOf(container.name)}`;
  const { waiting, terminated } = recordOf(container.state);
  const ended = recordOf(terminated);
  if (terminated) return { code: "pod-ended", text: `${name} has exited: ${endOf(ended)}` };
  if (!waiting) return undefined;
  const reason = textOf(recordOf(waiting).reason);
  const message = oneLine(textOf(recordOf(waiting).message));
  if (reason === "CrashLoopBackOff") {
    const last = recordOf(recordOf(container.lastState).terminated);
    const restarts = Number(container.restartCount ?? 0);
    const often = restarts > 0 ? " repeatedly" : "";
    return { code: "pod-crash-loop", text: `${name} exits${often}: ${endOf(last)}` };
  }
  const said = [reason, message].filter((text) => text !== "").join(": ");
  const code = IMAGE_REASONS.has(reason) ? "pod-image" : "pod-waiting";
  const image = code === "pod-image" && message === "" ? ` (image ${textOf(container.image)})` : "";
  return { code, text: `${name} waits${said === "" ? "" : `: ${said}`}${image}` };
}

function endOf({ reason, exitCode, signal }: JsonRecord): string {
  const code = typeof exitCode === "number" ? `exit code ${exitCode}` : "";
  const by = typeof signal === "number" && signal > 0 ? `signal ${signal}` : "";
  const parts = [textOf(reason), code, by].filter((text) => text !== "");
  return parts.length === 0 ? "reason unknown" : parts.join(", ");
}

function troubleOfGates(
  { spec }: RawPod,
  conditions: readonly JsonRecord[],
): PodTrouble | undefined {
  const gates = listOf(spec.readinessGates).map((gate) => textOf(recordOf(gate).conditionType));
  const closed = gates.find((gate) => {
    return !conditions.some(({ type, status }) => type === gate && status === "True");
  });
  if (closed === undefined) return undefined;
  return { code: "readiness-gate", text: `its readiness gate ${closed} is not True` };
}

function withoutAddress({ status }: RawPod): PodTrouble | undefined {
  if (textOf(status.podIP) !== "" || listOf(status.podIPs).length > 0) return undefined;
  return { code: "pod-no-address", text: "it has no address yet: the kubelet has not started it" };
}

function troubleOfProbes({ spec, status }: RawPod): PodTrouble | undefined {
  const statuses = listOf(status.containerStatuses).map(recordOf);
  const unready = (name: unknown) => statuses.find((each) => each.name === name)?.ready !== true;
  for (const container of listOf(spec.containers).map(recordOf)) {
    if (!unready(container.name)) continue;
    const started = statuses.find(({ name }) => name === container.name)?.started;
    const kind = started === false && container.startupProbe ? "startup" : "readiness";
    const probe = recordOf(container[`${kind}Probe`]);
    if (Object.keys(probe).length === 0) continue;
    const which = `the ${kind} probe of container ${textOf(container.name)}`;
    const text = `${which} fails: ${probeText(probe)}${undeclared(probe, container)}`;
    return { code: "readiness-probe", text };
  }
  return undefined;
}

function probeText(probe: JsonRecord): string {
  const { httpGet, tcpSocket, grpc, exec } = probe;
  const get = recordOf(httpGet);
  if (httpGet) return `GET :${String(get.port)}${textOf(get.path) || "/"}`;
  if (tcpSocket) return `connect to :${String(recordOf(tcpSocket).port)}`;
  if (grpc) return `gRPC health on :${String(recordOf(grpc).port)}`;
  return `exec ${listOf(recordOf(exec).command).map(String).join(" ")}`;
}

/** A probe of a port that the container does not declare is often a mistake. */
function undeclared(probe: JsonRecord, container: JsonRecord): string {
  const asked = recordOf(probe.httpGet ?? probe.tcpSocket ?? probe.grpc).port;
  const declared = listOf(container.ports).map(recordOf);
  if (asked === undefined || declared.length === 0) return "";
  const isThere = declared.some(({ name, containerPort }) => [name, containerPort].includes(asked));
  if (isThere) return "";
  const ports = declared.map(({ containerPort }) => String(containerPort)).join(", ");
  return ` (the container declares ${ports})`;
}

function unexplained(ready: JsonRecord | undefined): PodTrouble {
  const why = [ready?.reason, ready?.message].map(textOf).filter((text) => text !== "");
  const said = why.length === 0 ? "" : `: ${oneLine(why.join(": "))}`;
  return { code: "pod-not-ready", text: `its condition Ready is not True${said}` };
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
}
