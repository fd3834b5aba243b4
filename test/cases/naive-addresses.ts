// Addresses as one big number each, for questions about them. Part of naive.ts.

/** Of an address or a CIDR. */
export function isIPv6(text: string): boolean {
  return text.includes(":");
}

/** However they are written. */
export function sameAddress(a: string, b: string): boolean {
  return isIPv6(a) === isIPv6(b) && numberOf(a) === numberOf(b);
}

export function contains(cidr: string, address: string): boolean {
  const [network = "", bits] = cidr.split("/");
  if (isIPv6(network) !== isIPv6(address)) return false;
  const hostBits = BigInt((isIPv6(address) ? 128 : 32) - Number(bits));
  return numberOf(network) >> hostBits === numberOf(address) >> hostBits;
}

function numberOf(address: string): bigint {
  if (!isIPv6(address)) {
    return address.split(".").reduce((sum, part) => sum * 256n + BigInt(Number(part)), 0n);
  }
  const [head = "", tail] = address.split("::");
  const words = (text: string) => (text === "" ? [] : text.split(":"));
  const known = words(head).length + words(tail ?? "").length;
  const zeros: string[] = Array(tail === undefined ? 0 : 8 - known).fill("0");
  return [...words(head), ...zeros, ...words(tail ?? "")].reduce(
    (sum, word) => sum * 65536n + BigInt(`0x${word}`),
    0n,
  );
}
