// UDP flows through Envoy and the kernel, while their endpoints, their Service and Portico itself
// come and go.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UdpLab, untilAnswer } from "./udp-lab.ts";

const B = { pod: "pod-b" } as const;
const C = { pod: "pod-c" } as const;

let lab: UdpLab;
let lastPort = 10_000;

beforeAll(async () => {
  lab = await UdpLab.make();
  await lab.portico.start();
  await lab.apply({ endpoints: [B] });
});
afterAll(() => lab.close());

/** Asks from one port, always the same. */
function flow(): () => Promise<string> {
  const localPort = ++lastPort;
  return () => lab.ask({ localPort });
}

async function answersFromNewPorts(count: number): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let index = 0; index < count; index++) answers.add(await lab.ask());
  return answers;
}

describe("a UDP flow", () => {
  it("stays with its endpoint as long as that serves, and new ones go elsewhere", async () => {
    await lab.apply({ endpoints: [B] });
    const asked = flow();
    expect(await asked()).toBe("pod-b");
    await lab.apply({ endpoints: [{ ...B, terminating: true }, C] });
    expect(await answersFromNewPorts(15)).toEqual(new Set(["pod-c"]));
    expect(await asked()).toBe("pod-b");
    await lab.apply({ endpoints: [{ ...B, serving: false, terminating: true }, C] });
    await untilAnswer(asked, "pod-c");
  });

  it("works from the same port once there is an endpoint, and is refused after", async () => {
    await lab.apply({ endpoints: [] });
    const asked = flow();
    expect(await asked()).toBe("refused");
    await lab.apply({ endpoints: [C] });
    expect(await asked()).toBe("pod-c");
    await lab.apply({ endpoints: [] });
    expect(await asked()).toBe("refused");
    await lab.apply({ endpoints: [B] });
    expect(await asked()).toBe("pod-b");
  });

  it("ends when its endpoint is gone without another", async () => {
    await lab.apply({ endpoints: [B] });
    const asked = flow();
    expect(await asked()).toBe("pod-b");
    await lab.apply({ endpoints: [{ ...B, serving: false }] });
    expect(await asked()).not.toBe("pod-b");
    await lab.apply({ endpoints: [{ ...B, serving: false }, C] });
    await untilAnswer(asked, "pod-c");
  });

  it("is answered each time after its Service was deleted and made again", async () => {
    for (let round = 0; round < 3; round++) {
      await lab.apply();
      await lab.apply({ endpoints: [B, C] });
      const answers = await Promise.all(Array.from({ length: 40 }, () => lab.ask()));
      expect(new Set(answers)).toEqual(new Set(["pod-b", "pod-c"]));
    }
  });

  it("spreads over all endpoints by its port", async () => {
    await lab.apply({ endpoints: [B, C] });
    const answers = await Promise.all(Array.from({ length: 200 }, () => lab.ask()));
    const ofB = answers.filter((name) => name === "pod-b").length;
    expect(ofB).toBeGreaterThan(60);
    expect(ofB).toBeLessThan(140);
  });

  it("goes where its client's others go while there is session affinity", async () => {
    await lab.apply({ endpoints: [B, C], affinity: true });
    const affine = await answersFromNewPorts(20);
    expect(affine.size).toBe(1);
    expect(affine).not.toContain("timeout");
    await lab.apply({ endpoints: [B, C] });
    expect(await answersFromNewPorts(30)).toEqual(new Set(["pod-b", "pod-c"]));
    await lab.apply({ endpoints: [B, C], affinity: true });
    expect(await answersFromNewPorts(20)).toEqual(affine);
  });
});

describe("when Portico goes", () => {
  it("flows do not notice that the controller starts anew", async () => {
    await lab.apply({ endpoints: [B, C] });
    const flows = Array.from({ length: 10 }, flow);
    const before = await Promise.all(flows.map((asked) => asked()));
    const listening = async () => (await lab.sockets()).filter((socket) => isListener(socket));
    const sockets = await listening();
    expect(sockets.length).toBeGreaterThan(0);
    await lab.portico.end("SIGKILL");
    expect(await Promise.all(flows.map((asked) => asked()))).toEqual(before);
    await lab.portico.start();
    await lab.portico.synced();
    expect(await Promise.all(flows.map((asked) => asked()))).toEqual(before);
    // None is new; those that drained from earlier may be gone.
    const after = await listening();
    expect(after.length).toBeGreaterThan(0);
    expect(sockets).toEqual(expect.arrayContaining(after));
  });

  it("what changed while no controller was there is made up for", async () => {
    await lab.apply({ endpoints: [B] });
    const asked = flow();
    expect(await asked()).toBe("pod-b");
    await lab.portico.end("SIGKILL");
    const applied = lab.apply({ endpoints: [C] });
    await lab.portico.start();
    await applied;
    await untilAnswer(asked, "pod-c");
  });

  it("flows begin anew when Envoy does", async () => {
    await lab.apply({ endpoints: [B] });
    const asked = flow();
    expect(await asked()).toBe("pod-b");
    const { stdout } = await lab.node.exec("cat", [`${lab.portico.runDirectory}/envoy.pid`]);
    process.kill(Number(stdout), "SIGKILL");
    await untilAnswer(asked, "pod-b");
  });
});

/** At Portico's UDP port, and not a socket that asks a backend. */
function isListener(socket: string): boolean {
  return socket.endsWith(":15404");
}
