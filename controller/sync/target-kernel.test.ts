import { expect, it } from "vitest";
import { bindingsAt, capturedFrontends, partsWithoutUdp } from "../../test/stand-ins/captured.ts";
import { EMPTY_CAPTURE_SET } from "../node/capture-set.ts";
import type { UdpListener } from "../xds/udp-target.ts";
import { WantedInKernel } from "./target-kernel.ts";

const [WEB, DNS, LOG] = ["10.96.0.1:80/TCP", "10.96.0.2:53/UDP", "10.96.0.3:514/UDP"] as const;
const PARTS = {
  ...partsWithoutUdp({
    ...EMPTY_CAPTURE_SET,
    frontends: capturedFrontends({ [WEB]: "keep", [DNS]: "masquerade", [LOG]: "local" }),
  }),
  udpBindings: bindingsAt({ [DNS]: { masquerade: "240.0.0.1" }, [LOG]: { local: "240.0.0.2" } }),
  formerUdpBindings: bindingsAt({ [DNS]: { masquerade: "240.0.0.3" } }),
};

function missing(frontend: string): UdpListener {
  return { frontend } as UdpListener;
}

function verdicts(target: ReturnType<WantedInKernel["whole"]>): string[] {
  return [...target.frontends.values()].map(({ verdict }) => verdict);
}

it("has all parts, where all can be served", () => {
  const target = new WantedInKernel(PARTS, []).whole();
  expect(target.frontends).toEqual(PARTS.captureSet.frontends);
  expect(target.udpBindings).toEqual(PARTS.udpBindings);
  expect(target.formerUdpBindings).toEqual(PARTS.formerUdpBindings);
});

it("refuses what the table cannot serve", () => {
  const target = new WantedInKernel(
    { ...PARTS, leftOut: new Set([WEB, "10.96.0.9:80/TCP"]) },
    [],
  ).whole();
  expect(verdicts(target)).toEqual(["refuse", "masquerade", "local"]);
  expect(target.udpBindings).toEqual(PARTS.udpBindings);
});

it("refuses what Envoy has no listener for, and leads no datagram there", () => {
  const target = new WantedInKernel(PARTS, [missing(DNS)]).whole();
  expect(verdicts(target)).toEqual(["keep", "refuse", "local"]);
  expect([...target.udpBindings.keys()]).toEqual([LOG]);
  expect(target.formerUdpBindings).toEqual(PARTS.formerUdpBindings);
});
