import { expect, it } from "vitest";
import type { ServiceStats, UdpStats } from "../observe/service-stats.ts";
import { serviceTotals } from "./service-totals.ts";

const NODE = {
  connections: 5,
  openConnections: 0,
  failures: 0,
  receivedBytes: 0,
  sentBytes: 0,
};
const HISTOGRAM = { buckets: [], seconds: 0 };

function stats(port: string, opened: number, closed: number): ServiceStats {
  return {
    namespace: "shop",
    service: "orders",
    port,
    protocol: "TCP",
    opened,
    closed,
    receivedBytes: 10,
    sentBytes: 20,
    connect: HISTOGRAM,
    duration: HISTOGRAM,
    failed: { refused: 1, timedOut: 2, noBackend: 3, other: 4 },
    limited: { connections: 0, newConnections: 0 },
    retried: 0,
  };
}

it("adds up the ports of a Service", () => {
  const services = [stats("http", 10, 7), stats("grpc", 5, 5)];
  expect(serviceTotals({ services, udp: [], other: undefined }, NODE)).toEqual(
    new Map([
      [
        "shop/orders",
        {
          connections: 21,
          openConnections: 3,
          failures: 20,
          receivedBytes: 20,
          sentBytes: 40,
        },
      ],
    ]),
  );
});

it("adds the bytes of UDP", () => {
  const udp: UdpStats = {
    namespace: "shop",
    service: "orders",
    port: "dns",
    protocol: "UDP",
    receivedBytes: 100,
    sentBytes: 200,
    receivedDatagrams: 1,
    sentDatagrams: 2,
  };
  const services = [stats("http", 10, 7)];
  const totals = serviceTotals({ services, udp: [udp], other: undefined }, NODE);
  expect(totals?.get("shop/orders")).toMatchObject({
    connections: 13,
    receivedBytes: 110,
    sentBytes: 220,
  });
});

it("tells a quiet node from a plugin that does not count", () => {
  const nothing = { services: [], udp: [], other: undefined };
  expect(serviceTotals(nothing, NODE)).toBeUndefined();
  expect(serviceTotals(nothing, { ...NODE, connections: 0 })).toEqual(new Map());
});
