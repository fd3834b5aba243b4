// Clients of some networks go to the second group, such as a version for the office only; the
// others to the first. Change the networks to yours.

const NETWORKS: StaticArray<string> = ["10.0.0.0/8", "fd00::/8"];

export function pick(connection: Connection, backends: Backends): Backend | null {
  const client = connection.client;
  for (let i = 0; i < NETWORKS.length; i++) {
    if (client.isIn(NETWORKS[i])) return backends.anyOf(1);
  }
  return backends.anyOf(0);
}
