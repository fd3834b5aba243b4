import { describe, expect, test } from "vitest";
import { EMPTY_SELECTION, type Selection } from "./snapshot.ts";
import {
  answered,
  type DiscoveryRequest,
  isSettled,
  needsAnswer,
  openSubscription,
  receive,
} from "./subscription.ts";
import { CLUSTER_TYPE, FILTER_TYPE } from "./type-urls.ts";

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
    subscription = answered(subscription, "v1", "1");
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
    subscription = answered(subscription, "v2", "1");
    subscription = receive(subscription, { ...first, nonce: "1", refusal: "bad" });
    expect(subscription.refused).toEqual({ version: "v2", detail: "bad" });
    expect(subscription.accepted).toBe("v1");
    expect(needsAnswer(subscription, selection("v2"))).toBe(false);
    expect(isSettled(subscription, selection("v2"))).toBe(false);
    // A refused answer may have been applied in part: what Envoy had is sent again.
    expect(needsAnswer(subscription, selection("v1"))).toBe(true);
  });

  test("waits for the reply to the last answer, whatever else arrives", () => {
    let subscription = answered(openSubscription(first), "v1", "1");
    subscription = receive(subscription, { ...first, version: "v1", nonce: "1" });
    subscription = answered(subscription, "v2", "2");
    const stale = { ...first, names: ["a", "b"], version: "v1", nonce: "1" };
    expect(receive(subscription, stale)).toBe(subscription);
    expect(needsAnswer(subscription, selection("v3"))).toBe(false);
  });

  test("takes new names without a reply for no acknowledgement", () => {
    let subscription = answered(openSubscription(first), "v1", "1");
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
