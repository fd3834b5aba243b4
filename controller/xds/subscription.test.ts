import { describe, expect, test } from "vitest";
import { EMPTY_SELECTION, type Selection } from "./snapshot.ts";
import {
  answered,
  type DiscoveryRequest,
  isSettled,
  needsAnswer,
  openSubscription,
  partToSend,
  receive,
} from "./subscription.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, FILTER_TYPE } from "./type-urls.ts";

const first: DiscoveryRequest = {
  typeUrl: FILTER_TYPE,
  names: ["a"],
  version: "",
  nonce: "",
  refusal: undefined,
};

function selection(version: string): Selection {
  const resource = { typeUrl: FILTER_TYPE, name: "a", value: Buffer.from(version) };
  return { version, resources: [resource] };
}

describe("a subscription", () => {
  test("is answered, acknowledged, and then left alone", () => {
    const wanted = selection("v1");
    let subscription = openSubscription(first);
    expect(needsAnswer(subscription, wanted)).toBe(true);
    subscription = answered(subscription, selection("v1"), "1");
    expect(needsAnswer(subscription, wanted)).toBe(false);
    expect(isSettled(subscription, wanted)).toBe(false);
    subscription = receive(subscription, { ...first, version: "v1", nonce: "1" });
    expect(needsAnswer(subscription, wanted)).toBe(false);
    expect(isSettled(subscription, wanted)).toBe(true);
    expect(needsAnswer(subscription, selection("v2"))).toBe(true);
  });

  test("of an Envoy that reconnects with the wanted version is settled at once", () => {
    const subscription = openSubscription({ ...first, version: "v1" });
    expect(isSettled(subscription, selection("v1"))).toBe(true);
    expect(needsAnswer(subscription, selection("v2"))).toBe(true);
  });

  test("that was refused is not sent the same again, but anything else", () => {
    let subscription = openSubscription({ ...first, version: "v1" });
    subscription = answered(subscription, selection("v2"), "1");
    subscription = receive(subscription, { ...first, nonce: "1", refusal: "bad" });
    expect(subscription.refused).toEqual({ version: "v2", detail: "bad" });
    expect(subscription.accepted).toBe("v1");
    expect(needsAnswer(subscription, selection("v2"))).toBe(false);
    expect(isSettled(subscription, selection("v2"))).toBe(false);
    // A refused answer may have been applied in part: what Envoy had is sent again.
    expect(needsAnswer(subscription, selection("v1"))).toBe(true);
  });

  test("waits for the reply to the last answer, whatever else arrives", () => {
    let subscription = answered(openSubscription(first), selection("v1"), "1");
    subscription = receive(subscription, { ...first, version: "v1", nonce: "1" });
    subscription = answered(subscription, selection("v2"), "2");
    const stale = { ...first, names: ["a", "b"], version: "v1", nonce: "1" };
    expect(receive(subscription, stale)).toBe(subscription);
    expect(needsAnswer(subscription, selection("v3"))).toBe(false);
  });

  test("takes new names without a reply for no acknowledgement", () => {
    let subscription = answered(openSubscription(first), selection("v1"), "1");
    subscription = receive(subscription, { ...first, version: "v1", nonce: "1" });
    subscription = receive(subscription, { ...first, names: ["a", "b"], nonce: "1" });
    expect(subscription.names).toEqual(["a", "b"]);
    expect(subscription.accepted).toBe("v1");
  });

  test("by names that do not exist is not answered; one for everything is", () => {
    expect(needsAnswer(openSubscription(first), EMPTY_SELECTION)).toBe(false);
    const everything = { ...first, typeUrl: CLUSTER_TYPE, names: [] };
    expect(needsAnswer(openSubscription(everything), EMPTY_SELECTION)).toBe(true);
  });
});

describe("a subscription to endpoints", () => {
  const names = ["a", "b"];
  const asked = { ...first, typeUrl: ENDPOINTS_TYPE, names };

  /** Reads "a1 b2": a in its first version, b in its second. */
  function endpoints(contents: string): Selection {
    const resources = contents.split(" ").map(([name = "", version = ""]) => {
      return { typeUrl: ENDPOINTS_TYPE, name, value: Buffer.from(version) };
    });
    return { version: contents, resources };
  }
  const sent = (subscription: Parameters<typeof partToSend>[0], contents: string) =>
    partToSend(subscription, endpoints(contents)).map(({ name, value }) => `${name}${value}`);

  function holding(contents: string) {
    const subscription = answered(openSubscription(asked), endpoints(contents), "1");
    return receive(subscription, { ...asked, version: contents, nonce: "1" });
  }

  test("is sent everything at first, and then what changed", () => {
    expect(sent(openSubscription(asked), "a1 b1")).toEqual(["a1", "b1"]);
    expect(sent(holding("a1 b1"), "a1 b2")).toEqual(["b2"]);
  });

  test("of an Envoy that reconnects with something else is sent everything", () => {
    const subscription = openSubscription({ ...asked, version: "a1 b1" });
    expect(needsAnswer(subscription, endpoints("a1 b1"))).toBe(false);
    expect(sent(subscription, "a1 b2")).toEqual(["a1", "b2"]);
  });

  test("is left alone when it asks for less, and answered when it asks again", () => {
    const less = receive(holding("a1 b1"), { ...asked, names: ["a"], nonce: "1" });
    expect(needsAnswer(less, endpoints("a1"))).toBe(false);
    expect(isSettled(less, endpoints("a1"))).toBe(true);
    const again = receive(holding("a1 b1"), { ...asked, nonce: "1" });
    expect(needsAnswer(again, endpoints("a1 b1"))).toBe(true);
    expect(sent(again, "a1 b1")).toEqual(["a1", "b1"]);
  });

  test("that was refused is sent everything, since a part of it may have been taken", () => {
    const pending = answered(holding("a1 b1"), endpoints("a1 b2"), "2");
    const refused = receive(pending, { ...asked, version: "a1 b1", nonce: "2", refusal: "bad" });
    expect(needsAnswer(refused, endpoints("a1 b2"))).toBe(false);
    expect(needsAnswer(refused, endpoints("a1 b1"))).toBe(true);
    expect(sent(refused, "a1 b1")).toEqual(["a1", "b1"]);
  });
});
