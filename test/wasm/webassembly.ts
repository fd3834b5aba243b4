// The part of the WebAssembly API that the fake host uses; TypeScript declares it only for
// browsers.

export type WasmModule = object & { readonly wasmModule?: never };

interface WasmInstance {
  exports: Record<string, unknown>;
}

type Imports = Record<string, Record<string, (...values: never[]) => number>>;

interface Api {
  compile(bytes: Uint8Array): Promise<WasmModule>;
  instantiate(module: WasmModule, imports: Imports): Promise<WasmInstance>;
  RuntimeError: new () => Error;
  Module: {
    imports(module: WasmModule): { module: string; name: string; kind: string }[];
    exports(module: WasmModule): { name: string; kind: string }[];
  };
}

export const WebAssembly = (globalThis as unknown as { WebAssembly: Api }).WebAssembly;
