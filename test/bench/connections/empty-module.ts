// A proxy-wasm module that does nothing: what a connection costs with it is the least that any
// filter costs, for Envoy makes a context in the VM for each connection.

const name = (text: string) => [text.length, ...Buffer.from(text)];
const section = (id: number, ...content: number[]) => [id, content.length, ...content];

const FUNCTION = 0x00;
const MEMORY = 0x02;
const I32 = 0x7f;
const END = 0x0b;

/** WebAssembly, binary format 1. Exports what a host insists on: its memory, malloc, the ABI. */
export const EMPTY_MODULE = Buffer.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // Types 0: nothing to nothing; 1: a size to an address.
  ...section(1, 2, ...[0x60, 0, 0], ...[0x60, 1, I32, 1, I32]),
  ...section(3, 2, 0, 1),
  ...section(5, 1, 0, 1),
  ...section(
    ...[7, 3],
    ...[...name("memory"), MEMORY, 0],
    ...[...name("malloc"), FUNCTION, 1],
    ...[...name("proxy_abi_version_0_2_1"), FUNCTION, 0],
  ),
  // The second returns 0, which no host asks for: there is no callback that gets bytes.
  ...section(10, 2, ...[2, 0, END], ...[4, 0, 0x41, 0, END]),
]);
