import { beforeEach, describe, expect, test } from "vitest";
import { type DeltaRequest, DeltaSubscription } from "./delta-subscription.ts";
import { type EncodedResource, resourceVersion } from "./snapshot.ts";
import type { Answer, Resources } from "./type-subscription.ts";
import { ENDPOINTS_TYPE, FILTER_TYPE, LISTENER_TYPE } from "./type-urls.ts";

let typeUrl: string;
let nonces: number;
beforeEach(() => {
  typeUrl = LISTENER_TYPE;
  nonces = 0;
});

/** Reads "a1 b2": a in its first version, b in its second. */
function resources(contents: string): Resources {
  const words = contents.split(" ").filter((word) => word !== "");
  return new Map(words.map((word) => [word.slice(0, 1), resource(word)]));
}

function resource(word: string): EncodedResource {
  return { typeUrl, name: word.slice(0, 1), value: Buffer.from(word.slice(1)) };
}

function versions(contents: string): Map<string, string> {
  return new Map([...resources(contents)].map(([name, each]) => [name, resourceVersion(each)]));
}

function request(request: Partial<DeltaRequest> = {}): DeltaRequest {
  const nothing = { subscribed: [], unsubscribed: [], present: new Map(), nonce: "" };
  return { typeUrl, ...nothing, refusal: undefined, ...request };
}

function opened(present = "", subscribed: string[] = []): DeltaSubscription {
  return new DeltaSubscription(request({ present: versions(present), subscribed }));
}

function take(subscription: DeltaSubscription, wanted: Resources): Answer | undefined {
  const answer = subscription.takeAnswer(wanted, String(nonces + 1));
  if (answer) nonces++;
  return answer;
}

/** Returns "a1 -b": what the answer adds, and what it removes. */
function textOf(answer: Answer | undefined): string | undefined {
  const added = answer?.resources.map(({ name, value }) => `${name}${value}`) ?? [];
  return answer && [...added, ...(answer.removed ?? []).map((name) => `-${name}`)].join(" ");
}

function sent(subscription: DeltaSubscription, contents: string): string | undefined {
  return textOf(take(subscription, resources(contents)));
}

function reply(subscription: DeltaSubscription, refusal?: string): void {
  subscription.receive(request({ nonce: String(nonces), refusal }));
}

function holding(contents: string, subscribed: string[] = []): DeltaSubscription {
  const subscription = opened("", subscribed);
  expect(sent(subscription, contents)).toBe(contents);
  reply(subscription);
  return subscription;
}

describe("a subscription to everything", () => {
  test("is sent what changed, and what goes", () => {
    const subscription = holding("a1 b1 c1");
    expect(subscription.isSettled(resources("a1 b1 c1"))).toBe(true);
    expect(sent(subscription, "a1 b1 c1")).toBeUndefined();
    expect(sent(subscription, "a1 b2 d1")).toBe("b2 d1 -c");
    expect(subscription.isSettled(resources("a1 b2 d1"))).toBe(false);
    reply(subscription);
    expect(subscription.isSettled(resources("a1 b2 d1"))).toBe(true);
  });

  test("of an Envoy that has nothing is answered with nothing, once", () => {
    const subscription = opened();
    expect(subscription).toMatchObject({ wasEmpty: true, isFirst: true });
    expect(subscription.isSettled(resources(""))).toBe(false);
    expect(sent(subscription, "")).toBe("");
    reply(subscription);
    expect(sent(subscription, "")).toBeUndefined();
    expect(subscription.isSettled(resources(""))).toBe(true);
    expect(subscription).toMatchObject({ wasEmpty: true, isFirst: false });
  });

  test("of an Envoy that reconnects is sent the difference", () => {
    expect(sent(opened("a1 b1"), "a1 b1")).toBeUndefined();
    expect(opened("a1 b1").isSettled(resources("a1 b1"))).toBe(true);
    const subscription = opened("a1 b1 c1");
    expect(subscription).toMatchObject({ wasEmpty: false, isFirst: false });
    expect(sent(subscription, "a1 b2")).toBe("b2 -c");
  });

  test("is not sent more before Envoy replied, and knows a reply by its nonce", () => {
    const subscription = opened("a1");
    expect(sent(subscription, "a2")).toBe("a2");
    expect(sent(subscription, "a3")).toBeUndefined();
    subscription.receive(request({ nonce: "0" }));
    subscription.receive(request());
    expect(sent(subscription, "a3")).toBeUndefined();
    reply(subscription);
    expect(sent(subscription, "a3")).toBe("a3");
  });

  test("loses what it may have without saying so", () => {
    const subscription = opened("a1");
    subscription.suspect(["a", "b"]);
    expect(sent(subscription, "a1")).toBe("-b");
  });
});

describe("what Envoy refuses", () => {
  test("is not sent again as it was, but other things are", () => {
    const subscription = holding("a1");
    const wanted = resources("a1 b1 c1");
    expect(textOf(take(subscription, wanted))).toBe("b1 c1");
    reply(subscription, "b: bad");
    expect(subscription.refusal(wanted)).toEqual({ typeUrl, names: ["b", "c"], detail: "b: bad" });
    expect(subscription.isSettled(wanted)).toBe(false);
    expect(take(subscription, wanted)).toBeUndefined();
    expect(sent(subscription, "a1 b1 c1 d1")).toBe("d1");
    reply(subscription);
    expect(sent(subscription, "a1 b1 c1 d1")).toBeUndefined();
    expect(sent(subscription, "a1 b2 c1 d1")).toBe("b2");
  });

  test("may have been taken in part: it goes, or is sent again, without what is bad", () => {
    const subscription = holding("a1");
    sent(subscription, "a1 b1 c1");
    reply(subscription, "b: bad");
    subscription.retry();
    expect(sent(subscription, "a1 c1")).toBe("c1 -b");
    reply(subscription);
    expect(subscription.refusal(resources("a1 c1"))).toBeUndefined();
    expect(subscription.isSettled(resources("a1 c1"))).toBe(true);
  });

  test("is no refusal any more once something else is wanted", () => {
    const subscription = holding("a1");
    sent(subscription, "a2");
    reply(subscription, "bad");
    const before = resources("a1");
    expect(subscription.refusal(before)).toBeUndefined();
    // It may have been applied in part: what Envoy had is sent again.
    expect(textOf(take(subscription, before))).toBe("a1");
  });

  test("together with what goes, does not come back by itself", () => {
    const subscription = holding("a1 b1");
    const wanted = resources("a2");
    expect(textOf(take(subscription, wanted))).toBe("a2 -b");
    reply(subscription, "bad");
    expect(take(subscription, wanted)).toBeUndefined();
    subscription.retry();
    expect(textOf(take(subscription, wanted))).toBe("a2 -b");
  });
});

describe("a subscription by name", () => {
  beforeEach(() => {
    typeUrl = ENDPOINTS_TYPE;
  });

  test("is sent what it asks for, when that is there, and nothing is taken from it", () => {
    const subscription = opened("", ["a", "b"]);
    expect(subscription.isSettled(resources(""))).toBe(true);
    expect(sent(subscription, "")).toBeUndefined();
    expect(sent(subscription, "a1 c1")).toBe("a1");
    reply(subscription);
    expect(sent(subscription, "c1")).toBeUndefined();
    expect(subscription.isSettled(resources("c1"))).toBe(true);
    expect(subscription.asksForAll(resources("a1 b1"))).toBe(true);
    expect(subscription.asksForAll(resources("a1 c1"))).toBe(false);
  });

  test("is sent again what it asks for again, also while an answer is under way", () => {
    const subscription = holding("a1 b1", ["a", "b"]);
    subscription.receive(request({ subscribed: ["a"] }));
    expect(subscription.isSettled(resources("a1 b1"))).toBe(false);
    expect(sent(subscription, "a1 b1")).toBe("a1");
    subscription.receive(request({ subscribed: ["a"] }));
    reply(subscription);
    expect(sent(subscription, "a1 b1")).toBe("a1");
  });

  test("of an Envoy that reconnects is not sent what it has", () => {
    expect(sent(opened("a1 b1", ["a", "b"]), "a1 b2")).toBe("b2");
  });

  test("is not sent what it gave up", () => {
    const subscription = holding("a1 b1", ["a", "b"]);
    subscription.receive(request({ unsubscribed: ["a"] }));
    expect(sent(subscription, "a2 b1")).toBeUndefined();
    subscription.receive(request({ subscribed: ["a"] }));
    expect(sent(subscription, "a2 b1")).toBe("a2");
  });

  test("is sent again what was forgotten", () => {
    const subscription = holding("a1 b1", ["a", "b"]);
    subscription.forget(["b", "c"]);
    expect(sent(subscription, "a1 b1")).toBe("b1");
  });

  test("asks for a filter that is refused, and gets another meanwhile", () => {
    typeUrl = FILTER_TYPE;
    const subscription = opened("", ["a"]);
    sent(subscription, "a1 b1");
    reply(subscription, "does not load");
    subscription.receive(request({ subscribed: ["b"] }));
    expect(sent(subscription, "a1 b1")).toBe("b1");
  });
});

describe("what changes in place", () => {
  /** Puts a word, as in `resources`, or removes "-a"; and says so. */
  function change(wanted: Map<string, EncodedResource>, subscription: DeltaSubscription) {
    return (...words: string[]) => {
      const names = words.map((word) => word.replace("-", "").slice(0, 1));
      for (const word of words) {
        if (word.startsWith("-")) wanted.delete(word.slice(1));
        else wanted.set(word.slice(0, 1), resource(word));
      }
      subscription.changed(names);
    };
  }

  test("is sent alone, also what changes while an answer is under way", () => {
    const subscription = opened();
    const wanted = new Map(resources("a1 b1 c1"));
    expect(textOf(take(subscription, wanted))).toBe("a1 b1 c1");
    reply(subscription);
    const put = change(wanted, subscription);
    put("b2", "-c");
    expect(subscription.isSettled(wanted)).toBe(false);
    expect(textOf(take(subscription, wanted))).toBe("b2 -c");
    put("b3", "c1", "d1");
    expect(take(subscription, wanted)).toBeUndefined();
    reply(subscription);
    expect(textOf(take(subscription, wanted))).toBe("b3 c1 d1");
    reply(subscription);
    expect(subscription.isSettled(wanted)).toBe(true);
  });

  test("is known to be asked for by name, or not yet", () => {
    typeUrl = ENDPOINTS_TYPE;
    const subscription = holding("a1", ["a"]);
    const wanted = new Map(resources("a1"));
    const put = change(wanted, subscription);
    put("b1");
    expect(subscription.asksForAll(wanted)).toBe(false);
    expect(take(subscription, wanted)).toBeUndefined();
    subscription.receive(request({ subscribed: ["b"] }));
    expect(subscription.asksForAll(wanted)).toBe(true);
    expect(textOf(take(subscription, wanted))).toBe("b1");
    put("-b", "-a");
    subscription.receive(request({ unsubscribed: ["a", "b"] }));
    put("a1");
    expect(subscription.asksForAll(wanted)).toBe(false);
  });
});
