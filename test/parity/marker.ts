// When a world has taken in everything that was written: a Service of its own is written last, with
// a port and an endpoint port that count up. Services and EndpointSlices come to a proxy as two
// streams, each in order; so when both numbers have arrived in what it programs, all came before.

import { addressOf, type Family } from "./lab.ts";
import { door, type KubernetesObject, slice } from "./state.ts";

const ADDRESSES: Record<Family, string> = { IPv4: "10.96.255.254", IPv6: "fd00:96::fffe" };
const FIRST_PORT = 10_000;
const FIRST_ENDPOINT_PORT = 40_000;

/** As they stand in the proxy's rules or table. */
interface Mark {
  family: Family;
  address: string;
  port: number;
  endpointAddress: string;
  endpointPort: number;
}

/** The mark number `count`, counted from 0, in one family. */
export function markOf(family: Family, count: number): Mark {
  return {
    family,
    address: ADDRESSES[family],
    port: FIRST_PORT + count,
    endpointAddress: addressOf("pod-a", family),
    endpointPort: FIRST_ENDPOINT_PORT + count,
  };
}

export function markObjects(count: number): KubernetesObject[] {
  const { IPv4, IPv6 } = ADDRESSES;
  const families: Family[] = ["IPv4", "IPv6"];
  const { port } = markOf("IPv4", count);
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "mark" },
      spec: {
        clusterIP: IPv4,
        clusterIPs: [IPv4, IPv6],
        ipFamilies: families,
        ipFamilyPolicy: "RequireDualStack",
        ports: [{ port }],
      },
    },
    ...families.map((family) => {
      const ports = [{ port: markOf(family, count).endpointPort }];
      return slice(["pod-a"], { service: "mark", family, ports });
    }),
  ];
}

/** What kube-proxy's rules say when they have the mark, in `nft list table`. */
export function nftTexts(mark: Mark): [element: string, dnat: string] {
  const element = `${mark.address} . tcp . ${mark.port} : goto`;
  return [element, `dnat to ${door(mark.endpointAddress, mark.endpointPort)}`];
}
