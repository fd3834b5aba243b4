import { beforeEach, describe, expect, test } from "vitest";
import { XdsConnection } from "./connection.ts";
import type { DeltaRequest } from "./delta-subscription.ts";
import { EMPTY_SELECTION, type EncodedResource, selectResources } from "./snapshot.ts";
import type { DiscoveryRequest } from "./subscription.ts";
import type { Answer } from "./type-subscription.ts";
import {
  CLUSTER_TYPE,
  discoveryName,
  ENDPOINTS_TYPE,
  FILTER_TYPE,
  LISTENER_TYPE,
} from "./type-urls.ts";
import { INCREMENTAL, STATE_OF_THE_WORLD } from "./wire.ts";

let stored: Map<string, Map<string, EncodedResource>>;
let connection: XdsConnection<DiscoveryRequest>;

beforeEach(() => {
  stored = new Map();
  connection = new XdsConnection(1, (typeUrl) => stored.get(typeUrl), STATE_OF_THE_WORLD.open);
});

function store(typeUrl: string, contents: Record<string, string>): void {
  const encoded = Object.entries(contents).map(([name, text]) => {
    return [name, { typeUrl, name, value: Buffer.from(text) }] as const;
  });
  stored.set(typeUrl, new Map(encoded));
}

function ask(typeUrl: string, names: string[], version = ""): boolean {
  return connection.receive({ typeUrl, names, version, nonce: "", refusal: undefined }, "node-a");
}

function reply({ typeUrl, version, nonce, resources }: Answer, refusal?: string): void {
  const names = typeUrl === LISTENER_TYPE ? [] : resources.map(({ name }) => name);
  connection.receive({ typeUrl, names, version, nonce, refusal }, "");
}

function onlyAnswer(): Answer {
  const answers = connection.takeAnswers();
  expect(answers).toHaveLength(1);
  return answers[0] as Answer;
}

describe("listeners", () => {
  test("of a fresh Envoy: none at once, all of them when it is admitted", () => {
    store(LISTENER_TYPE, { capture: "c" });
    expect(ask(LISTENER_TYPE, [])).toBe(true);
    expect(connection).toMatchObject({ nodeId: "node-a", fresh: true, admitted: false });
    expect(connection.isEmpty).toBe(true);
    const empty = onlyAnswer();
    expect(empty.resources).toEqual([]);
    reply(empty);
    expect(connection.takeAnswers()).toEqual([]);
    connection.admit();
    // It will have some soon.
    expect(connection).toMatchObject({ admitted: false, isEmpty: false });
    expect(connection.isSettled(LISTENER_TYPE)).toBe(false);
    const listeners = onlyAnswer();
    expect(listeners.resources.map(({ name }) => name)).toEqual(["capture"]);
    reply(listeners);
    expect(connection.isSettled(LISTENER_TYPE)).toBe(true);
  });

  test("of an Envoy that reconnects with some: held back until they are set", () => {
    ask(LISTENER_TYPE, [], "0123456789abcdef");
    expect(connection).toMatchObject({ fresh: false, admitted: true, isEmpty: false });
    expect(connection.takeAnswers()).toEqual([]);
    store(LISTENER_TYPE, { capture: "c" });
    expect(onlyAnswer().resources).toHaveLength(1);
  });

  test("of an Envoy that reconnects with what is set: not sent again", () => {
    store(LISTENER_TYPE, { capture: "c" });
    const all = stored.get(LISTENER_TYPE) as Map<string, EncodedResource>;
    ask(LISTENER_TYPE, [], selectResources(LISTENER_TYPE, all, []).version);
    expect(connection.takeAnswers()).toEqual([]);
    expect(connection.isSettled(LISTENER_TYPE)).toBe(true);
  });

  test("of an Envoy that reconnects before it had any: as of a fresh one", () => {
    store(LISTENER_TYPE, { capture: "c" });
    ask(LISTENER_TYPE, [], EMPTY_SELECTION.version);
    expect(connection).toMatchObject({ fresh: true, admitted: false });
    expect(connection.takeAnswers()).toEqual([]);
  });
});

describe("listeners that Envoy refuses", () => {
  beforeEach(() => {
    store(LISTENER_TYPE, { capture: "c" });
    ask(LISTENER_TYPE, []);
    reply(onlyAnswer());
    connection.admit();
    reply(onlyAnswer(), "cannot bind 0.0.0.0:15401");
  });

  test("are no listeners: it is not admitted before it has them", () => {
    expect(connection.admitted).toBe(false);
    expect(connection.takeAnswers()).toEqual([]);
  });

  test("are sent again for another try, since a port may be free now", () => {
    connection.retry(LISTENER_TYPE);
    expect(connection.refusal(LISTENER_TYPE)).toBeUndefined();
    reply(onlyAnswer());
    expect(connection.admitted).toBe(true);
  });
});

describe("other types", () => {
  test("are not answered before they are set", () => {
    ask(CLUSTER_TYPE, []);
    expect(connection.takeAnswers()).toEqual([]);
    store(CLUSTER_TYPE, {});
    expect(onlyAnswer().resources).toEqual([]);
  });

  test("are looked up knowing whether Envoy has some already", () => {
    const asked: boolean[] = [];
    connection = new XdsConnection(
      1,
      (_, isFirst) => {
        asked.push(isFirst);
        return new Map();
      },
      STATE_OF_THE_WORLD.open,
    );
    ask(CLUSTER_TYPE, []);
    reply(onlyAnswer());
    connection.isSettled(CLUSTER_TYPE);
    expect(asked).toEqual([true, false]);
  });

  test("are known to be asked for by name, all or not all", () => {
    expect(connection.asksForAll(ENDPOINTS_TYPE)).toBe(true);
    store(ENDPOINTS_TYPE, { b: "1" });
    expect(connection.asksForAll(ENDPOINTS_TYPE)).toBe(false);
    ask(ENDPOINTS_TYPE, ["a", "b"]);
    expect(connection.asksForAll(ENDPOINTS_TYPE)).toBe(true);
    store(ENDPOINTS_TYPE, { b: "1", c: "1" });
    expect(connection.asksForAll(ENDPOINTS_TYPE)).toBe(false);
    store(ENDPOINTS_TYPE, {});
    expect(connection.asksForAll(ENDPOINTS_TYPE)).toBe(true);
  });

  test("a filter that is asked for later is sent though nothing changed", () => {
    store(FILTER_TYPE, { connection: "1", table: "2" });
    ask(FILTER_TYPE, ["table"]);
    const answer = onlyAnswer();
    reply(answer);
    const names = ["connection", "table"];
    const { version, nonce } = answer;
    connection.receive({ typeUrl: FILTER_TYPE, names, version, nonce, refusal: undefined }, "");
    expect(onlyAnswer().resources.map(({ name }) => name)).toEqual(names);
  });

  test("a refusal is told until something else is set", () => {
    store(FILTER_TYPE, { table: "bad" });
    ask(FILTER_TYPE, ["table"], "0123456789abcdef");
    reply(onlyAnswer(), "does not load");
    const refusal = { typeUrl: FILTER_TYPE, names: ["table"], detail: "does not load" };
    expect(connection.refusal(FILTER_TYPE)).toEqual(refusal);
    expect(connection.takeAnswers()).toEqual([]);
    store(FILTER_TYPE, { table: "good" });
    expect(connection.refusal(FILTER_TYPE)).toBeUndefined();
    reply(onlyAnswer());
    expect(connection.isSettled(FILTER_TYPE)).toBe(true);
  });
});

describe("in the incremental protocol", () => {
  let incremental: XdsConnection<DeltaRequest>;
  const nothing = { subscribed: [], unsubscribed: [], present: new Map(), nonce: "" };

  beforeEach(() => {
    incremental = new XdsConnection(1, (typeUrl) => stored.get(typeUrl), INCREMENTAL.open);
  });

  function receive(typeUrl: string, request: Partial<DeltaRequest> = {}): boolean {
    return incremental.receive({ typeUrl, ...nothing, refusal: undefined, ...request }, "node-a");
  }

  /** Returns "LDS +capture -old": the due answers, each acknowledged at once. */
  function due(): string[] {
    return incremental.takeAnswers().map(({ typeUrl, nonce, resources, removed = [] }) => {
      receive(typeUrl, { nonce });
      const names = [...resources.map(({ name }) => `+${name}`), ...removed.map((n) => `-${n}`)];
      return [discoveryName(typeUrl), ...names].join(" ");
    });
  }

  test("a fresh Envoy has no listeners at once, and all of them when it is admitted", () => {
    store(LISTENER_TYPE, { capture: "c" });
    expect(receive(LISTENER_TYPE)).toBe(true);
    expect(incremental).toMatchObject({ nodeId: "node-a", fresh: true, isEmpty: true });
    expect(due()).toEqual(["LDS"]);
    expect(due()).toEqual([]);
    incremental.admit();
    expect(incremental).toMatchObject({ admitted: false, isEmpty: false });
    expect(due()).toEqual(["LDS +capture"]);
    expect(incremental.admitted).toBe(true);
  });

  test("an Envoy that reconnects keeps its listeners until they are set", () => {
    receive(LISTENER_TYPE, { present: new Map([["old", "1"]]) });
    expect(incremental).toMatchObject({ fresh: false, admitted: true, isEmpty: false });
    expect(due()).toEqual([]);
    store(LISTENER_TYPE, { capture: "c" });
    expect(due()).toEqual(["LDS +capture -old"]);
  });

  test("a listener that Envoy may have, though it did not say so, goes", () => {
    store(LISTENER_TYPE, { capture: "c" });
    receive(LISTENER_TYPE, { present: new Map([["old", "1"]]) });
    incremental.suspect(LISTENER_TYPE, ["capture", "half-taken"]);
    expect(due()).toEqual(["LDS +capture -old -half-taken"]);
  });

  test("a cluster that changes gets its endpoints again", () => {
    store(CLUSTER_TYPE, { dns: "1", other: "1" });
    store(ENDPOINTS_TYPE, { dns: "e", other: "e" });
    receive(CLUSTER_TYPE);
    expect(due()).toEqual(["CDS +dns +other"]);
    receive(ENDPOINTS_TYPE, { subscribed: ["dns", "other"] });
    expect(due()).toEqual(["EDS +dns +other"]);
    store(CLUSTER_TYPE, { dns: "2", other: "1" });
    expect(due()).toEqual(["CDS +dns", "EDS +dns"]);
    expect(incremental.isSettled(ENDPOINTS_TYPE)).toBe(true);
  });
});
