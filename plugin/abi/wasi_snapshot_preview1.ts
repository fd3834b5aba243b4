// The WASI functions the plugin uses. The file has the name of the import module.

/** Fills size bytes at buffer with random bytes; answers 0 when it did. */
export declare function random_get(buffer: usize, size: usize): u32;

/** A clock that only goes forward, whatever is done to the machine's time. */
export const CLOCK_MONOTONIC: u32 = 1;

/** Writes nanoseconds (u64) at outTime; answers 0 when it did. */
export declare function clock_time_get(clock: u32, precision: u64, outTime: usize): u32;
