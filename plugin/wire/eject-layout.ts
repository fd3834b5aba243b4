// What the plugin remembers of backends that fail, in shared data, and its answer to
// GET /v1/ejected: a header, then the entries as they are in shared data. Numbers only; compiled by
// both asc and tsc. Little endian, except addresses and ports, which are in network order.
//
// Answer
//
//    0        4         6          8           16
//   +--------+---------+----------+-----------+-----------+
//   | magic  | eject   | reserved | now       | entries   |
//   |        | version | 0        | u64, ns   |           |
//   +--------+---------+----------+-----------+-----------+
//
// Entry: one backend, for one client or for all
//
//    0         8         16         24        40     42       43        44
//   +---------+---------+----------+---------+------+--------+---------+--------+
//   | until   | since   | failed   | backend | port | family | strikes | reason |
//   | u64, ns | u64, ns | at       | 16      | u16  | u8     | u8      | u8     |
//   |         |         | u64, ns  |         | be   |        |         |        |
//   +---------+---------+----------+---------+------+--------+---------+--------+
//    45      46         48
//   +-------+----------+---------+
//   | flags | failures | client  |
//   | u8    | u16      | 16      |
//   +-------+----------+---------+
//
// Times are of the host's steady clock. An IPv4 address fills the first four bytes, the rest is
// zero. strikes is how often it was ejected in a row; with 0 it is not ejected, but has timed out
// once. In an entry for all, client is the one whose failure counted last.

/** "PTEJ" read as a little-endian u32. */
export const EJECT_MAGIC: u32 = 0x4a455450;
/** Increase it when the form of an entry changes; nothing is ejected then. */
export const EJECT_VERSION: u32 = 1;
export const EJECT_HEADER_BYTES: u32 = 16;
export const EJECT_VERSION_OFFSET: u32 = 4; // u16
export const EJECT_NOW_OFFSET: u32 = 8; // u64

export const EJECT_ENTRY_BYTES: u32 = 64;
export const EJECT_UNTIL_OFFSET: u32 = 0; // u64
export const EJECT_SINCE_OFFSET: u32 = 8; // u64
export const EJECT_FAILED_AT_OFFSET: u32 = 16; // u64
export const EJECT_BACKEND_OFFSET: u32 = 24; // 16 bytes
export const EJECT_PORT_OFFSET: u32 = 40; // u16, network order
export const EJECT_FAMILY_OFFSET: u32 = 42; // u8
export const EJECT_STRIKES_OFFSET: u32 = 43; // u8
export const EJECT_REASON_OFFSET: u32 = 44; // u8
export const EJECT_FLAGS_OFFSET: u32 = 45; // u8
export const EJECT_FAILURES_OFFSET: u32 = 46; // u16
export const EJECT_CLIENT_OFFSET: u32 = 48; // 16 bytes

/** The most entries; the oldest gives way to a new one, and those for one client go first. */
export const MOST_EJECTED: u32 = 128;

// Reasons: how the last attempt that counted failed.
export const EJECT_REFUSED: u32 = 1;
export const EJECT_TIMED_OUT: u32 = 2;
/** No route to it, as the kernel or a router reported. */
export const EJECT_UNREACHABLE: u32 = 3;

// Flags.
/** The entry is for all clients, and not for its client alone. */
export const EJECT_FOR_ALL: u32 = 1;
/** One connection tries the backend; until is when it no longer counts. */
export const EJECT_PROBED: u32 = 2;
/** The backend has served another client since it failed this one. */
export const EJECT_SERVES_OTHERS: u32 = 4;

/** Seconds of the first ejection, doubled by each failure of the connection that tries it … */
export const EJECT_FIRST_SECONDS: u32 = 1;
/** … up to this. */
export const EJECT_LONGEST_SECONDS: u32 = 30;
/** Seconds for which a failure is remembered once its ejection is over. */
export const EJECT_WINDOW_SECONDS: u32 = 30;
