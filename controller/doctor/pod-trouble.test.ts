import fc from "fast-check";
import { expect, it } from "vitest";
import { podTroubleFromObject } from "./pod-trouble.ts";

function trouble(status: object, spec: object = {}, metadata: object = {}): string {
  const conditions = [{ type: "Ready", status: "False" }];
  const pod = {
    metadata: { name: "web", ...metadata },
    spec: { nodeName: "node-1", ...spec },
    status: { phase: "Running", podIP: "10.1.0.1", conditions, ...status },
  };
  const found = podTroubleFromObject(pod);
  return found ? `${found.code}: ${found.text}` : "";
}

it("has nothing to say of a Pod that is ready, or that nobody wrote a status for", () => {
  expect(trouble({ conditions: [{ type: "Ready", status: "True" }] })).toBe("");
  expect(podTroubleFromObject({ metadata: { name: "web" }, spec: {} })).toBeUndefined();
});

it("tells the first thing that has not come to pass", () => {
  expect(trouble({}, { nodeName: "" })).toBe("pod-unscheduled: not scheduled yet");
  expect(trouble({ podIP: "" })).toBe(
    "pod-no-address: it has no address yet: the kubelet has not started it",
  );
  const gone = { deletionTimestamp: "2026-01-01T00:00:00Z" };
  expect(trouble({}, {}, gone)).toBe("pod-terminating: being deleted");
  expect(trouble({})).toBe("pod-not-ready: its condition Ready is not True");
});

it("tells of containers that have ended, and how", () => {
  const ended = { name: "main", state: { terminated: { exitCode: 1, reason: "Error" } } };
  expect(trouble({ containerStatuses: [ended] })).toBe(
    "pod-ended: container main has exited: Error, exit code 1",
  );
  const killed = { name: "main", state: { terminated: { exitCode: 137, signal: 9 } } };
  expect(trouble({ containerStatuses: [killed] })).toContain("exit code 137, signal 9");
});

it("tells a sidecar from an init container that has not finished", () => {
  const waiting = { name: "mesh", state: { waiting: { reason: "ErrImagePull" } } };
  const status = { initContainerStatuses: [waiting] };
  const sidecar = { initContainers: [{ name: "mesh", restartPolicy: "Always" }] };
  expect(trouble(status, sidecar)).toBe("pod-image: container mesh waits: ErrImagePull (image )");
  const init = { initContainers: [{ name: "mesh" }] };
  expect(trouble(status, init)).toMatch(/^pod-init: init container mesh waits: ErrImagePull/);
  const running = { initContainerStatuses: [{ name: "mesh", state: { running: {} } }] };
  expect(trouble(running, init)).toBe("pod-init: init container mesh has not finished");
});

it("shows each kind of probe, and the startup probe while that has not passed", () => {
  const probed = (probe: object, status: object = {}) => {
    const containers = [{ name: "main", ports: [{ name: "http", containerPort: 80 }], ...probe }];
    return trouble(
      { containerStatuses: [{ name: "main", ready: false, ...status }] },
      { containers },
    );
  };
  const text = (probe: object) => probed({ readinessProbe: probe }).replace(/^.*fails: /, "");
  expect(text({ httpGet: { port: "http" } })).toBe("GET :http/");
  expect(text({ tcpSocket: { port: 81 } })).toBe("connect to :81 (the container declares 80)");
  expect(text({ grpc: { port: 80 } })).toBe("gRPC health on :80");
  expect(text({ exec: { command: ["cat", "/ready"] } })).toBe("exec cat /ready");
  const both = {
    startupProbe: { exec: { command: ["a"] } },
    readinessProbe: { grpc: { port: 80 } },
  };
  expect(probed(both, { started: false })).toContain("the startup probe of container main fails");
  expect(probed(both, { started: true })).toContain("the readiness probe of container main");
});

it("takes whatever anybody wrote, in one line", () => {
  fc.assert(
    fc.property(fc.object({ key: fc.constantFrom("metadata", "spec", "status", "x") }), (json) => {
      const found = podTroubleFromObject(json);
      expect(found?.text ?? "").not.toContain("\n");
    }),
  );
  const message = "a\nb ".repeat(200);
  const waiting = { name: "main", state: { waiting: { reason: "Error", message } } };
  expect(trouble({ containerStatuses: [waiting] })).toMatch(/^.{100,250}\.\.\.$/);
});
