import { beforeEach, describe, expect, test } from "vitest";
import { type Answer, XdsConnection } from "./connection.ts";
import { EMPTY_SELECTION, type EncodedResource, selectResources } from "./snapshot.ts";
import { CLUSTER_TYPE, FILTER_TYPE, LISTENER_TYPE } from "./type-urls.ts";

let stored: Map<string, Map<string, EncodedResource>>;
let connection: XdsConnection;

beforeEach(() => {
  stored = new Map();
  connection = new XdsConnection(1, (typeUrl) => stored.get(typeUrl));
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
    // It is about to have some.
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
    connection = new XdsConnection(1, (_, isFirst) => {
      asked.push(isFirst);
      return new Map();
    });
    ask(CLUSTER_TYPE, []);
    reply(onlyAnswer());
    connection.isSettled(CLUSTER_TYPE);
    expect(asked).toEqual([true, false]);
  });

  test("are known to be asked for by name", () => {
    ask(FILTER_TYPE, ["a", "b"]);
    expect(connection.asksFor(FILTER_TYPE, ["b"])).toBe(true);
    expect(connection.asksFor(FILTER_TYPE, ["b", "c"])).toBe(false);
    expect(connection.asksFor(CLUSTER_TYPE, [])).toBe(true);
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
