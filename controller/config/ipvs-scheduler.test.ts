import { expect, it } from "vitest";
import { configurationFromFile } from "./config-file.ts";
import { nearestToScheduler } from "./ipvs-scheduler.ts";

it("knows what comes nearest to each of the kernel's schedulers", () => {
  const names = "rr wrr lc wlc sed nq twos lblc lblcr sh mh dh fo ovf".split(" ");
  const nearest = names.map((name) => `${name} ${nearestToScheduler(name).balancing}`);
  expect(nearest).toEqual([
    "rr round-robin",
    "wrr round-robin",
    "lc least-connections",
    "wlc least-connections",
    "sed least-connections",
    "nq least-connections",
    "twos least-connections",
    "lblc least-connections",
    "lblcr least-connections",
    "sh client-hash",
    "mh client-hash",
    "dh random",
    "fo random",
    "ovf random",
  ]);
});

it("says in a line which are equal, and how the others differ", () => {
  expect(nearestToScheduler("wrr").text).toBe(
    "ipvs.scheduler wrr becomes --balancing round-robin, the same",
  );
  expect(nearestToScheduler("sh").text).toBe(
    "ipvs.scheduler sh becomes --balancing client-hash, the nearest: fewer clients move when " +
      "backends come and go",
  );
  expect(nearestToScheduler("constructor").text).toContain(
    "random, the nearest: this scheduler is",
  );
});

it("is read from a file of mode ipvs, and of no other", () => {
  const read = (text: string) => {
    const head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
    return configurationFromFile("config.conf", head + text);
  };
  const { configuration, warning } = read("mode: ipvs\nipvs: {scheduler: mh}");
  expect([configuration.ipvsScheduler, warning]).toEqual(["mh", undefined]);
  expect(read("mode: ipvs").configuration.ipvsScheduler).toBe("");
  expect(read("mode: nftables\nipvs: {scheduler: mh}").configuration.ipvsScheduler).toBeUndefined();
});
