// After any sequence of faults and changes, the sink holds what the server holds.

import { expect, it } from "vitest";
import {
  line,
  type Misbehaviour,
  sends,
  status,
  TestServer,
} from "../../test/stand-ins/list-watch-server.ts";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
import { ClusterState } from "../model/cluster-state.ts";
import { serviceFromObject } from "../model/from-service.ts";
import { KubernetesApi } from "./kubernetes-api.ts";
import { ListWatch } from "./list-watch.ts";

const SEEDS = 25;
const STEPS = 60;

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const stray = { metadata: { namespace: "shop", name: "stray", resourceVersion: "1" } };

const fromBefore = { metadata: { ...stray.metadata, name: "service-3" } };

const MISBEHAVIOURS: Misbehaviour[] = [
  status(500, "etcd is away"),
  status(503, "starting"),
  status(429, "slowly", { "retry-after": "1" }),
  status(410, "gone"),
  status(401, "who are you"),
  status(403, "no"),
  status(504, "Too large resource version: 999, current: 5"),
  sends("", "end"),
  sends("", "cut"),
  sends("nonsense\n", "end"),
  sends(line("ADDED", stray), "cut"), // half a streaming list, or an event from before
  sends(line("ERROR", { code: 410, message: "gone" }), "end"),
  sends(line("ADDED", stray).slice(0, 30), "cut"),
  (response) => response.destroy(),
];

type Step = (server: TestServer, random: () => number) => void;

const name = (random: () => number) => `service-${Math.floor(random() * 12)}`;

const CHANGES: Step[] = [
  (server, random) => {
    server.put(name(random), { clusterIP: `10.96.0.${Math.floor(random() * 200)}` });
  },
  (server, random) => server.put(name(random), { clusterIP: "nonsense" }),
  (server, random) => server.delete(name(random)),
];

const FAULTS: Step[] = [
  (server, random) => {
    const index = Math.floor(random() * MISBEHAVIOURS.length);
    server.misbehaviours.push(MISBEHAVIOURS[index] as Misbehaviour);
  },
  (server) => server.endWatches("cut"),
  (server) => server.endWatches("end"),
  (server) => server.compact(),
  (server) => server.bookmark(),
  (server) => server.sendRaw('{"type":"AD'),
  (server) => server.sendRaw("nonsense\n"),
  (server) => server.sendRaw(line("DELETED", fromBefore)),
  (server, random) => {
    server.hasStreamingList = random() < 0.5;
  },
];

function step(server: TestServer, random: () => number): void {
  const steps = random() < 0.6 ? CHANGES : FAULTS;
  steps[Math.floor(random() * steps.length)]?.(server, random);
}

it.each(Array.from({ length: SEEDS }, (_, seed) => seed))("converges, seed %i", async (seed) => {
  const random = seeded(seed);
  const server = await TestServer.start();
  const clock = new TestClock();
  const state = new ClusterState();
  const watch = new ListWatch({
    collection: {
      kind: "Service",
      apiGroup: "",
      resource: "services",
      selectors: {},
      optional: false,
      parse: serviceFromObject,
    },
    api: new KubernetesApi(() => server.access(), "test"),
    sink: state,
    reportProblems: () => {},
    onStatus: () => {},
    clock,
    random,
  });
  watch.start();
  for (let count = 0; count < STEPS; count += 1) {
    step(server, random);
    for (let turns = random() * 40; turns > 0; turns -= 1) {
      await new Promise((resolve) => setImmediate(resolve)); // lets some of it run
    }
  }
  server.misbehaviours.length = 0;
  server.endWatches("cut"); // half a line would swallow the next one
  const held = () => {
    const services = [...state.services.values()];
    return services.map(({ name, clusterIPs }) => `${name} ${clusterIPs[0] ?? "nonsense"}`).sort();
  };
  await expect.poll(held, { interval: 2, timeout: 5_000 }).toEqual(server.facts);
  server.put("last");
  await expect.poll(held, { interval: 2, timeout: 5_000 }).toEqual(server.facts);
  expect(watch.status()).toMatchObject({ state: "watching", synced: true, failure: undefined });
  await watch.stop();
  await server.stop();
});
