// What of the kernel's is Portico's: the numbers an operator may change because somebody else on
// the node uses them too.

export interface CaptureOptions {
  /**
   * The one bit of the packet mark, and of the connection mark, that Portico sets and reads; the
   * others stay as they are.
   */
  markBit: number;
  /** The routing table that says: everything is local. */
  routeTable: number;
  /** Of the rules that lead to it. After 0 (addresses that really are local) and before 32766. */
  rulePriority: number;
  /** Where Envoy listens for connections whose source address it keeps. */
  keepPort: number;
  /** The same for connections that it makes from the node's own address. */
  masqueradePort: number;
}

export const DEFAULT_CAPTURE_OPTIONS: CaptureOptions = {
  markBit: 0x1000,
  routeTable: 4100,
  rulePriority: 100,
  keepPort: 15401,
  masqueradePort: 15402,
};
