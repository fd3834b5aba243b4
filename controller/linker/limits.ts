// What a function may be at most. The numbers bound the time of compiling it, the stack and the
// memory of a VM; functions that asc compiles from a hundred lines stay far below them.

/** Of the module that asc wrote. */
export const MAX_FUNCTION_MODULE_BYTES = 128 * 1024;
export const MAX_SLOTS = 1_024;

/** In one module: its own functions, globals and pieces of static data. */
export const MAX_OWN_FUNCTIONS = 512;
export const MAX_GLOBALS = 512;
export const MAX_DATA_PIECES = 512;

/** Of the code of one of its functions. */
export const MAX_CODE_BYTES = 64 * 1024;
export const MAX_LOCALS = 512;
export const MAX_STACK_HEIGHT = 512;
export const MAX_BLOCK_DEPTH = 256;
/** Locals times blocks: V8's compiler may keep a value for each local at each block. */
export const MAX_LOCALS_TIMES_BLOCKS = 64 * 1024;

/** Calls within calls, and what all of their frames hold together (8 bytes each). */
export const MAX_CALL_DEPTH = 32;
export const MAX_FRAMES_VALUES = 4_096;

/**
 * Memory of each slot, one after another in the functions' own memory:
 *
 *    0        1024     2048     4096          65536    69632
 *   +--------+--------+--------+-------------+--------+
 *   | unused | state  | unused | static data | slack  |
 *   |        |        |        | and heap    |        |
 *   +--------+--------+--------+-------------+--------+
 *
 * Addresses are masked to the first 65536 bytes; what a load adds to its address, and its size,
 * reach into the slack at most.
 */
export const SPACE_BYTES = 65_536;
export const SLACK_BYTES = 4_096;
export const SLOT_BYTES = SPACE_BYTES + SLACK_BYTES;
export const STATE_OFFSET = 1_024;
export const STATE_BYTES = 1_024;
export const DATA_OFFSET = 4_096;
/** The largest offset of a load or store that needs no addition. */
export const MAX_MEMORY_OFFSET = SLACK_BYTES - 8;

export const PAGE_BYTES = 65_536;
