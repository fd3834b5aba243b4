// The addresses that the states use again and again.

import { addressOf, SECOND_ADDRESSES } from "../lab.ts";
import { door } from "../state.ts";

/** Cluster IPs of "web" and "api", port 80. */
export const WEB = "10.96.0.10:80";
export const API = "10.96.0.11:80";
export const WEB6 = "[fd00:96::10]:80";
/** In the Service CIDRs, and no Service's. */
export const UNALLOCATED = "10.96.0.99:80";
export const UNALLOCATED6 = "[fd00:96::99]:80";

export const NODE_PORT = 30_080;
/** Node ports where they are served, and on an address that is not a primary one. */
export const ON_NODE_1 = door(addressOf("node-1"), NODE_PORT);
export const ON_NODE_2 = door(addressOf("node-2"), NODE_PORT);
export const ON_SECOND_ADDRESS = door(SECOND_ADDRESSES.IPv4, NODE_PORT);
export const ON_NODE_1_V6 = door(addressOf("node-1", "IPv6"), NODE_PORT);
export const ON_LOOPBACK = door("127.0.0.1", NODE_PORT);

export const EXTERNAL_IP = "203.0.113.10";
export const EXTERNAL = door(EXTERNAL_IP, 80);
export const LB_IP = "203.0.113.20";
export const LB = door(LB_IP, 80);

export const NODE_PORT_SPEC = {
  type: "NodePort",
  ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }],
};
