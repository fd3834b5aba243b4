// The way from a node to what is far, with a narrow link in it (narrow-lab.ts).

import type { IPFamily } from "../../controller/model/types.ts";
import type { Cluster, ClusterNode } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import { Namespace } from "../namespaces/namespace.ts";

const NARROW = 1300;

/** With a number from 1 to 200. */
export function farClient(family: IPFamily, number: number): string {
  return family === "IPv4" ? `198.51.100.${number}` : `fd00:51::a:${number}`;
}

export function farBackend(family: IPFamily, number: number): string {
  return family === "IPv4" ? `198.51.101.${number}` : `fd00:51::b:${number}`;
}

/** Makes the routers and what is far, and lets the node and them know the ways. */
export async function makeWay({ prefix }: Cluster, node: ClusterNode): Promise<void> {
  const [near, distant, far] = ["near", "distant", "far"].map((name) => `${prefix}-${name}`);
  await ipBatch([
    ...[near, distant, far].map((name) => `netns add ${name}`),
    `link add near netns ${prefix}-underlay type veth peer name eth0 netns ${near}`,
    `link add narrow0 mtu ${NARROW} netns ${near} type veth ` +
      `peer name narrow0 mtu ${NARROW} netns ${distant}`,
    `link add eth0 netns ${distant} type veth peer name eth0 netns ${far}`,
  ]);
  await ipBatch(["link set near master bridge0 up"], `${prefix}-underlay`);
  for (const name of [near, distant]) {
    const script =
      "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
    await new Namespace(name as string, "router").exec("sh", ["-c", script]);
  }
  const up = (...links: string[]) => links.map((link) => `link set ${link} up`);
  const inside = ["10.1.0.0/16", "10.96.0.0/16", "203.0.113.0/24"];
  const inside6 = ["fd00:1::/32", "fd00:96::/112", "fd00:203::/64"];
  const [node4, node6] = node.addresses;
  await ipBatch(
    [
      ...up("lo", "eth0", "narrow0"),
      ...["192.0.2.100/24 dev eth0", "10.66.0.1/30 dev narrow0"].map((each) => `addr add ${each}`),
      ...["fd00:2::64/64 dev eth0", "fd00:66::1/64 dev narrow0"].map(
        (each) => `addr add ${each} nodad`,
      ),
      ...inside.map((prefix) => `route add ${prefix} via ${node4}`),
      ...inside6.map((prefix) => `route add ${prefix} via ${node6}`),
      "route add 198.51.100.0/23 via 10.66.0.2",
      "route add fd00:51::/64 via fd00:66::2",
    ],
    near,
  );
  await ipBatch(
    [
      ...up("lo", "eth0", "narrow0"),
      "addr add 10.66.0.2/30 dev narrow0",
      "addr add fd00:66::2/64 dev narrow0 nodad",
      "addr add 10.66.1.1/30 dev eth0",
      "addr add fd00:51::1/64 dev eth0 nodad",
      "route add 198.51.100.0/23 dev eth0",
      "route add default via 10.66.0.1",
      "route add default via fd00:66::1",
    ],
    distant,
  );
  const numbers = Array.from({ length: 200 }, (_, index) => index + 1);
  await ipBatch(
    [
      ...up("lo", "eth0"),
      "addr add 10.66.1.2/30 dev eth0",
      ...numbers.flatMap((number) => [
        `addr add ${farClient("IPv4", number)}/32 dev eth0`,
        `addr add ${farBackend("IPv4", number)}/32 dev eth0`,
        `addr add ${farClient("IPv6", number)}/64 dev eth0 nodad`,
        `addr add ${farBackend("IPv6", number)}/64 dev eth0 nodad`,
      ]),
      // Or what is far would ask for shorter segments once it knows the path itself.
      "route add default via 10.66.1.1 advmss 1460",
      "route add default via fd00:51::1 advmss 1440",
    ],
    far,
  );
  const farAway = [
    "route add 198.51.100.0/23 via 192.0.2.100",
    "route add fd00:51::/64 via fd00:2::64",
  ];
  await ipBatch(farAway, node.name);
}
