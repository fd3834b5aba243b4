// The wire format between controller and plugin: a frame of records, as pushed to the table
// endpoint, dumped from it, and kept in shared data. Numbers only; compiled by both asc and tsc.
// Little endian, except addresses and ports, which are in network order as in a packet. Nothing is
// padded or aligned.
//
// To add a field: use a `reserved` one, or increase WIRE_VERSION. A plugin of another WIRE_VERSION
// keeps its table under other keys of the shared data, so that both can be loaded while one takes
// over from the other.

/** "PTCO" read as a little-endian u32: the first four bytes of every frame. */
export const FRAME_MAGIC: u32 = 0x4f435450;
export const WIRE_VERSION: u32 = 3;

// Frame
//
//    0        4        6      7          8              16           24           28
//   +--------+--------+------+----------+--------------+------------+------------+
//   | magic  | wire   | kind | reserved | base version | version    | first      |
//   |        | version|      | 0        | u64          | u64        | bucket u32 |
//   +--------+--------+------+----------+--------------+------------+------------+
//    28             32              36               40
//   +--------------+---------------+----------------+---------------+------------+
//   | bucket count | upsert count  | removal count  | upserts:      | removals:  |
//   | u32          | u32           | u32            | records       | keys       |
//   +--------------+---------------+----------------+---------------+------------+
//
// A snapshot is a row of SNAPSHOT frames of one version that cover the buckets 0 … BUCKET_COUNT-1
// in order and without a gap; each replaces the whole content of its buckets. The table has that
// version once the last is applied, and version 0 (no complete table) until then. Records are in
// ascending order of (bucket, key bytes); there are no removals; base version is 0.
//
// A DELTA frame names the version that it starts from. Its upserts and its removals are each in
// ascending order of (bucket, key bytes), no key twice, none in both; first bucket and bucket
// count are 0. Versions increase; 0 is none, and the largest is 2^53 - 1 (a JSON number).
export const FRAME_HEADER_BYTES: u32 = 40;
export const FRAME_WIRE_VERSION_OFFSET: u32 = 4; // u16
export const FRAME_KIND_OFFSET: u32 = 6; // u8
export const FRAME_RESERVED_OFFSET: u32 = 7; // u8
export const FRAME_BASE_VERSION_OFFSET: u32 = 8; // u64
export const FRAME_VERSION_OFFSET: u32 = 16; // u64
export const FRAME_FIRST_BUCKET_OFFSET: u32 = 24; // u32
export const FRAME_BUCKET_COUNT_OFFSET: u32 = 28; // u32
export const FRAME_UPSERT_COUNT_OFFSET: u32 = 32; // u32
export const FRAME_REMOVAL_COUNT_OFFSET: u32 = 36; // u32

export const FRAME_KIND_SNAPSHOT: u32 = 1;
export const FRAME_KIND_DELTA: u32 = 2;

// Key: one frontend. An IPv4 address fills the first four address bytes, the rest is zero. A
// frontend of externalTrafficPolicy Local has two records: one of its cluster list, and one of its
// local list, in whose key KEY_LIST_LOCAL is added to the family.
//
//    0        1          2        4                20
//   +--------+----------+--------+----------------+
//   | family | protocol | port   | address        |
//   | 4 or 6 | IANA     | u16 be | 16 bytes       |
//   +--------+----------+--------+----------------+
export const KEY_BYTES: u32 = 20;
export const KEY_FAMILY_OFFSET: u32 = 0;
export const KEY_PROTOCOL_OFFSET: u32 = 1;
export const KEY_PORT_OFFSET: u32 = 2;
export const KEY_ADDRESS_OFFSET: u32 = 4;

export const FAMILY_IPV4: u32 = 4;
export const FAMILY_IPV6: u32 = 6;
/** The bit of the family byte that distinguishes the local list from the cluster list. */
export const KEY_LIST_LOCAL: u32 = 0x80;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_SCTP: u32 = 132;

// A key belongs to bucket FNV-1a(key bytes) mod BUCKET_COUNT (32 bit). The plugin refuses a
// snapshot record that does not belong to a bucket of its frame.
export const BUCKET_COUNT: u32 = 16384; // a power of two
export const HASH_OFFSET_BASIS: u32 = 0x811c9dc5;
export const HASH_PRIME: u32 = 0x01000193;

// Record
//
//    0        4      24     25      26      28        32      36          40        48
//   +--------+------+------+-------+-------+---------+-------+-----------+---------+
//   | record | key  | kind | flags | name  | backend | stamp | affinity  | service |
//   | bytes  |      | u8   | u8    | bytes | count   | u32   | timeout   | id      |
//   | u32    |      |      |       | u16   | u32     |       | u32, s    | 8 bytes |
//   +--------+------+------+-------+-------+---------+-------+-----------+---------+
//    48          49        50         52            56              60
//   +-----------+---------+----------+-------------+---------------+-----------+-------+
//   | balancing | options | function | most        | most new      | backends  | names |
//   | u8        | u8      | u16      | connections | connections   |           |       |
//   |           |         |          | u32         | a second u32  |           |       |
//   +-----------+---------+----------+-------------+---------------+-----------+-------+
//
// record bytes counts the whole record, itself included. flags and stamp are 0 in a frame; the
// plugin uses them in shared data. affinity timeout 0: no session affinity. service id: a hash
// of what all frontends of one ServicePort have in common (namespace, name, port name, protocol);
// they share one session affinity, and the limits on connections, of which 0 is none. function: 0,
// or 1 + the slot of the function that picks (plugin/functions); where it does not, balancing
// applies, as in a plugin without functions. names is
// UTF-8 "namespace\0service\0port name" (the port name may be empty); it is never read for a pick.
export const RECORD_HEADER_BYTES: u32 = 60;
export const RECORD_BYTES_OFFSET: u32 = 0;
export const RECORD_KEY_OFFSET: u32 = 4;
export const RECORD_KIND_OFFSET: u32 = 24;
export const RECORD_FLAGS_OFFSET: u32 = 25;
export const RECORD_NAME_BYTES_OFFSET: u32 = 26;
export const RECORD_BACKEND_COUNT_OFFSET: u32 = 28;
export const RECORD_STAMP_OFFSET: u32 = 32;
export const RECORD_AFFINITY_OFFSET: u32 = 36;
export const RECORD_SERVICE_ID_OFFSET: u32 = 40;
export const RECORD_BALANCING_OFFSET: u32 = 48;
export const RECORD_OPTIONS_OFFSET: u32 = 49;
export const RECORD_FUNCTION_OFFSET: u32 = 50;
export const RECORD_MAX_CONNECTIONS_OFFSET: u32 = 52;
export const RECORD_MAX_NEW_CONNECTIONS_OFFSET: u32 = 56;

/** What makes the address a frontend; shown, never read for a pick. */
export const KIND_CLUSTER_IP: u32 = 1;
export const KIND_NODE_PORT: u32 = 2;
export const KIND_EXTERNAL_IP: u32 = 3;
export const KIND_LOAD_BALANCER: u32 = 4;

/** How a backend is picked. The controller writes what applies: the plugin has no default. */
export const BALANCING_RANDOM: u32 = 1;
export const BALANCING_LEAST_CONNECTIONS: u32 = 2;
export const BALANCING_ROUND_ROBIN: u32 = 3;
export const BALANCING_CLIENT_HASH: u32 = 4;
export const BALANCING_WEIGHTED: u32 = 5;
export const BALANCING_FAILOVER: u32 = 6;

/** In options: backends that fail are picked like others. */
export const OPTION_NO_EJECTION: u32 = 1;

// Backend: address (4 or 16 bytes by the key's family), port u16 be, flags u8, weight u8. Those of
// a record are in ascending order of their addresses and ports, none twice.
export const BACKEND_IPV4_BYTES: u32 = 8;
export const BACKEND_IPV6_BYTES: u32 = 20;
/** Set when the endpoint is on this node; shown, never read for a pick. */
export const BACKEND_FLAG_LOCAL: u32 = 1;
/** Set when BALANCING_FAILOVER picks it before those without. */
export const BACKEND_FLAG_PREFERRED: u32 = 2;
// The weight is 1 to 255 where BALANCING_WEIGHTED counts it; 0 counts as 1.

// Limits. Exceeding one is an error that names it, never a truncation.
/** The longest frame that the table endpoint accepts. */
export const MAX_FRAME_BYTES: u32 = 8388608;
/** The most backends of one frontend: the endpoints of 655 full EndpointSlices. */
export const MAX_BACKENDS: u32 = 65535;
/** namespace (63) + service (63) + port name (63) and two separators, with room. */
export const MAX_NAME_BYTES: u32 = 255;
/** The most bytes of one bucket's records in a frame, so that one frame can hold them. */
export const MAX_BUCKET_BYTES: u32 = 4194304;
/** The most slots for functions. */
export const MAX_FUNCTIONS: u32 = 1024;
/** The most frontends of one table. */
export const MAX_FRONTENDS: u32 = 262144;

// Session affinity, in separate buckets. Only the plugin knows their content
// (plugin/pick/affinity-bucket.ts); the controller just copies them from one Envoy to another.
export const AFFINITY_BUCKET_COUNT: u32 = 16384; // a power of two
