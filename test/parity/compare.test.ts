// The verdict on two observations, without any world.

import { expect, describe as group, it } from "vitest";
import { describe, verdictOn } from "./compare.ts";
import { INTENDED_DIFFERENCES, INTENDED_WITHOUT_HEALING } from "./intended-differences.ts";
import type { ClientName } from "./lab.ts";
import type { Observation } from "./observe.ts";
import { flow, type KubernetesObject, type Probe, sequence, service, slice } from "./state.ts";

const PROBE: Probe = { kind: "spread", from: "client-1", to: "10.96.0.10:80", protocol: "TCP" };

function verdict(kubeProxy: Observation, portico: Observation) {
  return verdictOn({ probe: PROBE, objects: [], kubeProxy, portico }, INTENDED_DIFFERENCES);
}

function intended(kubeProxy: Observation, portico: Observation): string {
  const found = verdict(kubeProxy, portico);
  return found.kind === "intended" ? found.id : found.kind;
}

group("the verdict", () => {
  it("is the same, in whatever order", () => {
    expect(verdict(["a sees b", "c sees b"], ["c sees b", "a sees b"])).toEqual({ kind: "same" });
  });

  it("is different with a backend more, a backend less, another source, another outcome", () => {
    const seen = ["pod-a:8080 sees client-1"];
    for (const other of [
      ["pod-a:8080 sees client-1", "pod-b:8080 sees client-1"],
      [],
      ["pod-a:8080 sees node-1"],
      ["refused"],
      ["pod-a:8080 sees client-1", "reset"],
    ]) {
      expect(verdict(seen, other).kind).toBe("different");
      expect(verdict(other, seen).kind).toBe("different");
    }
    expect(verdict(seen, [...seen, "timeout"]).kind).toBe("different");
  });

  it("tells who dialled what, and what both did", () => {
    expect(verdict(["refused"], ["timeout"])).toEqual({
      kind: "different",
      text: "client-1 → 10.96.0.10:80: kube-proxy: refused; Portico: timeout",
    });
  });
});

group("intended differences", () => {
  const half = ["pod-a:8080 sees client-1"];

  it("backends that all refuse may end the connection late, and only Portico's", () => {
    expect(intended(["refused"], ["eof"])).toBe("refusing-backend");
    expect(intended(["refused"], ["reset", "eof"])).toBe("refusing-backend");
    expect(intended([...half, "refused"], [...half, "reset"])).toBe("different");
    expect(intended(["eof"], ["refused"])).toBe("different");
    expect(intended(["refused"], ["timeout"])).toBe("different");
    expect(intended([...half, "refused"], ["reset"])).toBe("different");
  });

  it("a backend that fails leaves its clients to the others, and only Portico's", () => {
    const objects = [service(), slice(["pod-a"]), slice(["pod-b"], { ports: [{ port: 7 }] })];
    const another = (kubeProxy: Observation, portico: Observation) => {
      const compared = { probe: PROBE, objects, kubeProxy, portico };
      const found = verdictOn(compared, INTENDED_DIFFERENCES);
      return found.kind === "intended" ? found.id : found.kind;
    };
    expect(another([...half, "refused"], half)).toBe("another-backend");
    expect(another([...half, "refused"], ["pod-b:8080 sees client-1"])).toBe("different");
    expect(another([...half, "refused"], [])).toBe("different");
    expect(another([...half, "reset"], half)).toBe("different");
    expect(another(half, [...half, "refused"])).toBe("different");
    expect(another(["refused"], half)).toBe("different");
    // Of backends that all listen none refuses.
    expect(intended([...half, "refused"], half)).toBe("different");
  });

  it("a backend that refuses is no other's concern where Portico does not heal", () => {
    const objects = [service(), slice(["pod-a"]), slice(["pod-b"], { ports: [{ port: 7 }] })];
    const unhealed = (kubeProxy: Observation, portico: Observation) => {
      const compared = { probe: PROBE, objects, kubeProxy, portico };
      const found = verdictOn(compared, INTENDED_WITHOUT_HEALING);
      return found.kind === "intended" ? found.id : found.kind;
    };
    expect(unhealed([...half, "refused"], [...half, "reset", "eof"])).toBe("refusing-backend-late");
    expect(unhealed(["refused"], ["reset"])).toBe("refusing-backend");
    expect(unhealed([...half, "refused"], half)).toBe("different");
    expect(unhealed(half, [...half, "reset"])).toBe("different");
    expect(unhealed([...half, "refused"], [...half, "timeout"])).toBe("different");
  });

  it("a backend is silent only to clients whom it answers past the proxy", () => {
    const from = (client: ClientName, to: string) => {
      const probe: Probe = { ...PROBE, from: client, to };
      const seen = [`pod-a:8080 sees ${client}`];
      const compared = { probe, objects: [], kubeProxy: [...seen, "timeout"], portico: seen };
      return verdictOn(compared, INTENDED_DIFFERENCES).kind;
    };
    expect(from("client-2", "192.0.2.1:30080")).toBe("intended");
    expect(from("client-1", "192.0.2.2:30080")).toBe("intended");
    expect(from("pod-e", "10.96.0.10:80")).toBe("intended");
    expect(from("client-1", "192.0.2.1:30080")).toBe("different");
    expect(from("client-1", "192.0.2.101:30080")).toBe("different");
    expect(from("client-2", "10.96.0.10:80")).toBe("different");
    expect(from("node-1", "203.0.113.1:80")).toBe("different");
  });
});

it("a connection that fails may be reset where kube-proxy's times out, not the other way", () => {
  expect(intended(["timeout"], ["reset"])).toBe("bypassing-reply");
  expect(intended(["timeout"], ["reset", "timeout"])).toBe("bypassing-reply");
  const half = ["pod-c:8080 sees client-1"];
  expect(intended([...half, "timeout"], [...half, "reset"])).toBe("different");
  expect(intended(["reset"], ["timeout"])).toBe("different");
});

group("intended differences of UDP", () => {
  const ask = (kind: "flow" | "spread", objects: KubernetesObject[], ...seen: Observation[]) => {
    const [kubeProxy = [], portico = []] = seen;
    const dial = { from: "client-1", to: "10.96.0.10:80", protocol: "UDP" } as const;
    const probe: Probe = kind === "flow" ? { kind, flow: "f", ...dial } : { kind, ...dial };
    const found = verdictOn({ probe, objects, kubeProxy, portico }, INTENDED_DIFFERENCES);
    return found.kind === "intended" ? found.id : found.kind;
  };
  const dead = [service(), slice(["pod-a"], { ports: [{ port: 7, protocol: "UDP" }] })];
  const alive = [service(), slice(["pod-a"], { ports: [{ port: 8080, protocol: "UDP" }] })];
  const answered = ["pod-a:8080 sees client-1"];

  it("a refusing backend may keep silent, a Service without one may not", () => {
    expect(ask("spread", dead, ["refused"], ["timeout"])).toBe("refusing-backend-udp");
    expect(ask("spread", alive, ["refused"], ["timeout"])).toBe("different");
    expect(ask("spread", [service()], ["refused"], ["timeout"])).toBe("different");
  });

  it("a flow may end with its Service or its last endpoint, and not before", () => {
    expect(ask("flow", [service(), slice([])], answered, ["refused"])).toBe("udp-flow-ends");
    expect(ask("flow", [slice(["pod-a"])], answered, ["timeout"])).toBe("udp-flow-ends");
    expect(ask("flow", alive, answered, ["refused"])).toBe("different");
    expect(ask("spread", [service(), slice([])], answered, ["refused"])).toBe("different");
  });
});

it("describes probes", () => {
  const dial = sequence("node-1", ["10.96.0.10:80", "192.0.2.1:30080", "10.96.0.10:80"]);
  expect(describe(dial)).toBe("node-1 → 10.96.0.10:80, 192.0.2.1:30080 (sequence)");
  expect(describe(flow("dns", "outside", "10.96.0.10:53", "UDP"))).toBe(
    "outside → 10.96.0.10:53/UDP (flow)",
  );
});
