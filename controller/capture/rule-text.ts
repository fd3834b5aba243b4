// Parts that the rules of several chains share. Pure text.

/** The first packet of a TCP connection. */
export const IS_SYN = "tcp flags & (fin | syn | rst | ack) == syn";

/** Returns a mark's bits as nft writes them; takes negative numbers too, such as `~bits`. */
export function hex(bits: number): string {
  return `0x${(bits >>> 0).toString(16)}`;
}

/** Condition: the packet's mark (meta), or its connection's (ct), has all of these bits. */
export function hasBits(which: "meta" | "ct", bits: number): string {
  return `${which} mark and ${hex(bits)} == ${hex(bits)}`;
}
