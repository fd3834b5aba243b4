// The one WASI function the plugin uses. The file has the name of the import module.

/** Fills size bytes at buffer with random bytes; answers 0 when it did. */
export declare function random_get(buffer: usize, size: usize): u32;
