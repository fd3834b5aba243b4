// What the linker puts in the place of imports from "functions" (controller/linker/outcome.ts): the
// functions of Services. As in env.ts, the module is the name of this file.

/**
 * Has the function of a slot pick among `count` backends. `state`: 1,024 bytes, changed after a
 * success only. Returns an index below `count`, -1 for any, or below that why it failed.
 */
export declare function pick(slot: u32, count: u32, state: usize, fuel: u32): i32;
