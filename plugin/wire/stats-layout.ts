// The second wire format: what was counted per Service, as kept in shared data, and as the table
// endpoint sends it to the controller (GET /v1/stats). Numbers only; compiled by both asc and tsc.
// Little endian, nothing padded or aligned.
//
// To add a number: add it at the end, and increase STATS_NUMBER_COUNT and STATS_VERSION. A plugin
// of another STATS_VERSION keeps its numbers under other keys of the shared data, and so starts at
// zero.

/** "PTCS" read as a little-endian u32: the first four bytes of every answer. */
export const STATS_MAGIC: u32 = 0x53435450;
export const STATS_VERSION: u32 = 3;

// Answer
//
//    0        4         6              8
//   +--------+---------+--------------+-----------+
//   | magic  | stats   | number count | entries … |
//   |        | version | u16          |           |
//   +--------+---------+--------------+-----------+
export const STATS_HEADER_BYTES: u32 = 8;
export const STATS_VERSION_OFFSET: u32 = 4; // u16
export const STATS_NUMBER_COUNT_OFFSET: u32 = 6; // u16

// Entry: one ServicePort, or one backend of it
//
//    0          8        9         10          12        28
//   +----------+--------+---------+-----------+---------+--------------------------+
//   | service  | family | zero    | port      | address | STATS_NUMBER_COUNT × u64 |
//   | id       | u8     | u8      | u16 be    | 16      |                          |
//   +----------+--------+---------+-----------+---------+--------------------------+
//
// service id is that of wire/layout.ts; all zero means what did not fit into its page. family, port
// and address are those of the backend, and all zero for the whole ServicePort. The first 28 bytes
// are the entry's key; it is also what POST /v1/stats/forget takes.
export const STATS_KEY_BYTES: u32 = 28;
export const STATS_FAMILY_OFFSET: u32 = 8;
export const STATS_PORT_OFFSET: u32 = 10;
export const STATS_ADDRESS_OFFSET: u32 = 12;
export const STATS_NUMBER_COUNT: u32 = 25;
export const STATS_ENTRY_BYTES: u32 = STATS_KEY_BYTES + STATS_NUMBER_COUNT * 8;

// Numbers, by their index.
/** Connections that got a backend. */
export const STATS_OPENED: u32 = 0;
/** Those of them that have ended, with any outcome. */
export const STATS_CLOSED: u32 = 1;
/** The backend did not accept: it refused … */
export const STATS_REFUSED: u32 = 2;
/** … or did not answer in time … */
export const STATS_TIMED_OUT: u32 = 3;
/** There was no backend; such a connection was never opened. */
export const STATS_NO_BACKEND: u32 = 4;
/** … or was unreachable for another reason. */
export const STATS_FAILED_OTHERWISE: u32 = 5;
/** Bytes from clients. */
export const STATS_RECEIVED_BYTES: u32 = 6;
/** Bytes to clients. */
export const STATS_SENT_BYTES: u32 = 7;
/** From the pick until the backend accepted: sum, ns, and connections by bucket. */
export const STATS_CONNECT_NANOSECONDS: u32 = 8;
export const STATS_CONNECT_BUCKETS: u32 = 9;
/** From the pick to the end: sum, ns, and connections by bucket. */
export const STATS_DURATION_NANOSECONDS: u32 = 15;
export const STATS_DURATION_BUCKETS: u32 = 16;
/** Connections that a backend accepted after an earlier attempt had failed. */
export const STATS_RETRIED: u32 = 22;
/** Connections that were refused because the Service had as many as it may … */
export const STATS_LIMITED: u32 = 23;
/** … or got new ones faster than it may. Like those without a backend, they were never opened. */
export const STATS_LIMITED_NEW: u32 = 24;

/** Buckets of each histogram, not cumulative; the last has those over all bounds. */
export const STATS_BUCKET_COUNT: u32 = 6;
/** Bounds of the connect time, microseconds; an equal value counts as below. */
export const STATS_CONNECT_BOUND_0: u32 = 1000;
export const STATS_CONNECT_BOUND_1: u32 = 5000;
export const STATS_CONNECT_BOUND_2: u32 = 25000;
export const STATS_CONNECT_BOUND_3: u32 = 100000;
export const STATS_CONNECT_BOUND_4: u32 = 1000000;
/** Bounds of the duration, milliseconds. */
export const STATS_DURATION_BOUND_0: u32 = 10;
export const STATS_DURATION_BOUND_1: u32 = 100;
export const STATS_DURATION_BOUND_2: u32 = 1000;
export const STATS_DURATION_BOUND_3: u32 = 10000;
export const STATS_DURATION_BOUND_4: u32 = 60000;

// Entries are kept in pages, by FNV-1a(key) mod STATS_PAGE_COUNT.
export const STATS_PAGE_COUNT: u32 = 1024; // a power of two
/**
 * The most entries of a page. What does not fit is added to the page's entry of service id 0. With
 * 20,000 ServicePorts, which make 20 entries on average, no page comes near.
 */
export const MAX_STATS_PAGE_ENTRIES: u32 = 64;
