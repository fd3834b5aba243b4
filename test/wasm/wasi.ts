// The WASI functions of the fake host, as proxy-wasm-cpp-host has them (src/exports.cc): clocks,
// random bytes, and lines that go to the log. There are no arguments, environment and files.

/** What the functions need of a VM; memory accesses throw where there is no memory. */
interface WasiSurroundings {
  read(pointer: number, size: number): Buffer;
  write(pointer: number, bytes: Uint8Array): void;
  log(level: number, message: string): void;
  now(): bigint;
  steadyNow(): bigint;
  /** The next 32 random bits. */
  random(): number;
  /** The module ended its own VM, which it may not; does not return. */
  fail(what: string): never;
}

type WasiFunction = (...values: number[]) => number;

const BAD_FILE = 8;
const NOT_SUPPORTED = 58;
const LOG_INFO = 2;
const LOG_ERROR = 4;

/** By their names; all other functions of WASI are missing. */
export function wasiFunctions(around: WasiSurroundings): Record<string, WasiFunction> {
  const writeNumber = (pointer: number, value: bigint, bytes: 4 | 8): number => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(value);
    around.write(pointer, buffer.subarray(0, bytes));
    return 0;
  };
  const nothing = (countPointer = 0, sizePointer = 0) =>
    writeNumber(countPointer, 0n, 4) + writeNumber(sizePointer, 0n, 4);
  return {
    args_get: () => 0,
    args_sizes_get: nothing,
    environ_get: () => 0,
    environ_sizes_get: nothing,
    sched_yield: () => 0,
    clock_time_get: (clock = 0, _precision = 0, out = 0) => {
      if (clock > 1) return NOT_SUPPORTED;
      return writeNumber(out, clock === 0 ? around.now() : around.steadyNow(), 8);
    },
    clock_res_get: (clock = 0, out = 0) => (clock > 1 ? NOT_SUPPORTED : writeNumber(out, 1n, 8)),
    random_get: (out = 0, size = 0) => {
      around.write(
        out,
        Uint8Array.from({ length: size >>> 0 }, () => around.random() & 0xff),
      );
      return 0;
    },
    fd_write: (file = 0, vectors = 0, count = 0, out = 0) => {
      if (file !== 1 && file !== 2) return BAD_FILE;
      const parts = Array.from({ length: count }, (_, index) => {
        const vector = around.read(vectors + index * 8, 8);
        return around.read(vector.readUInt32LE(0), vector.readUInt32LE(4));
      });
      const text = Buffer.concat(parts);
      around.log(file === 1 ? LOG_INFO : LOG_ERROR, text.toString("utf8"));
      return writeNumber(out, BigInt(text.length), 4);
    },
    // 24 bytes, of which only the second word is not 0: the right to write.
    fd_fdstat_get: (file = 0, out = 0) => {
      if (file !== 1 && file !== 2) return BAD_FILE;
      writeNumber(out, 0n, 8);
      writeNumber(out + 16, 0n, 8);
      return writeNumber(out + 8, 64n, 8);
    },
    fd_prestat_get: () => BAD_FILE,
    proc_exit: (code = 0) => around.fail(`it ended itself with exit code ${code}`),
  };
}
