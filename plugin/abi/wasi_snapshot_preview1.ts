// The WASI functions the plugin uses. The file has the name of the import module.

/** Fills size bytes at buffer with random bytes; returns 0 on success. */
export declare function random_get(buffer: usize, size: usize): u32;

/** A clock that only goes forward, whatever happens to the machine's time. */
export const CLOCK_MONOTONIC: u32 = 1;

/** Writes nanoseconds (u64) at outTime; returns 0 on success. */
export declare function clock_time_get(clock: u32, precision: u64, outTime: usize): u32;
