// node.ts ADDRESS/LENGTH... : what a CNI plugin does for the node of compose.yaml. Each address is
// that of the gateway of a network of Pods; the interface in that network gets it, so that all that
// Pods send to other networks, Services among them, comes to the node. Then it waits for SIGTERM,
// as its network namespace lasts as long as it does.

import { execFileSync } from "node:child_process";
import { BlockList } from "node:net";
import { networkInterfaces } from "node:os";

process.once("SIGTERM", () => process.exit());
for (const gateway of process.argv.slice(2)) {
  const device = interfaceInNetworkOf(gateway);
  execFileSync("ip", ["address", "replace", gateway, "dev", device]);
  console.log(`${gateway} is on ${device}`);
}
setInterval(() => {}, 2 ** 30);

function interfaceInNetworkOf(gateway: string): string {
  const [address = "", length] = gateway.split("/");
  const network = new BlockList();
  network.addSubnet(address, Number(length));
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    if (addresses.some(({ address, family }) => family === "IPv4" && network.check(address))) {
      return name;
    }
  }
  throw new Error(`the node has no interface in the network of ${gateway}`);
}
