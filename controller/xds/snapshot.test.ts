import { describe, expect, test } from "vitest";
import { EMPTY_SELECTION, type EncodedResource, selectResources } from "./snapshot.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE } from "./type-urls.ts";

function resources(typeUrl: string, contents: Record<string, string>) {
  const encoded = Object.entries(contents).map(
    ([name, text]): EncodedResource => ({ typeUrl, name, value: Buffer.from(text) }),
  );
  return new Map(encoded.map((resource) => [resource.name, resource]));
}

describe("selectResources", () => {
  test("no names: all clusters, and no endpoints", () => {
    const contents = { b: "2", a: "1" };
    const clusters = selectResources(CLUSTER_TYPE, resources(CLUSTER_TYPE, contents), []);
    expect(clusters.resources.map(({ name }) => name)).toEqual(["a", "b"]);
    const endpoints = selectResources(ENDPOINTS_TYPE, resources(ENDPOINTS_TYPE, contents), []);
    expect(endpoints).toEqual(EMPTY_SELECTION);
  });

  test("names that do not exist are left out", () => {
    const all = resources(ENDPOINTS_TYPE, { a: "1", b: "2" });
    const { resources: selected } = selectResources(ENDPOINTS_TYPE, all, ["c", "b"]);
    expect(selected.map(({ name }) => name)).toEqual(["b"]);
  });

  test("the version is that of the content, whatever the order", () => {
    const version = (contents: Record<string, string>) =>
      selectResources(CLUSTER_TYPE, resources(CLUSTER_TYPE, contents), []).version;
    expect(version({ a: "1", b: "2" })).toBe(version({ b: "2", a: "1" }));
    expect(version({ a: "1", b: "2" })).not.toBe(version({ a: "1", b: "3" }));
    expect(version({ a: "1", b: "2" })).not.toBe(version({ a: "1" }));
    expect(version({ a: "12" })).not.toBe(version({ a1: "2" }));
    expect(version({})).toBe(EMPTY_SELECTION.version);
  });
});
