// V8's own check of a module's types, as Envoy's V8 makes it: it reads bytes and runs nothing.

/** The part of the API used here; TypeScript declares it for browsers only. */
interface Validator {
  validate(wasm: Uint8Array): boolean;
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: Validator };

/** Reports whether V8 would compile the module. */
export function isValidModule(wasm: Uint8Array): boolean {
  return WebAssembly.validate(wasm);
}
