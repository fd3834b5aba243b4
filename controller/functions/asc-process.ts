// A request → what asc makes of it, in a process of its own (compile.ts starts it): asc may end its
// process, keeps a table of libraries for good, and needs some 300 MB. Files are in memory only, so
// the module does not depend on where the source is.

import { pathToFileURL } from "node:url";

export interface CompileRequest {
  /** Path of assemblyscript's dist/asc.js. */
  readonly compiler: string;
  /** Of the function: a file name without ".ts". */
  readonly name: string;
  readonly source: string;
  /** The API's library: text by file name. */
  readonly library: Readonly<Record<string, string>>;
}

export interface CompileResult {
  /** Base 64; undefined where the source does not compile. */
  readonly wasm: string | undefined;
  readonly sourceMap: string | undefined;
  /** asc's own text. */
  readonly errors: string;
}

/** The part of asc's API used here. */
interface Compiler {
  main(
    args: readonly string[],
    files: {
      readFile(name: string): string | null;
      writeFile(name: string, content: string | Uint8Array): void;
      listFiles(folder: string): string[];
      stderr: { write(text: string): void };
    },
  ): Promise<{ error: Error | null }>;
}

const ENTRY = "~entry.ts";
const LIBRARY_FOLDER = "~portico";
const OUT = "function.wasm";

const ARGUMENTS: readonly string[] = [
  ...[ENTRY, "--lib", LIBRARY_FOLDER, "--outFile", OUT, "--sourceMap"],
  ...["-O3", "--shrinkLevel", "1", "--converge", "--runtime", "stub"],
  // Where the linker keeps the state, and what it does not take.
  ...["--memoryBase", "4096", "--noExportMemory", "--disable", "bulk-memory"],
  ...["--noUnsafe", "--uncheckedBehavior", "never", "--noColors"],
];

/** Compiles in this process. */
export async function compileHere(request: CompileRequest): Promise<CompileResult> {
  const asc = (await import(pathToFileURL(request.compiler).href)) as { default: Compiler };
  const files = filesOf(request);
  const out: Record<string, string | Uint8Array> = {};
  let errors = "";
  const { error } = await asc.default.main(ARGUMENTS, {
    readFile: (name) => files[name.replace(/^\.\//, "")] ?? null,
    writeFile: (name, content) => {
      out[name] = content;
    },
    listFiles: (folder) => (folder.includes(LIBRARY_FOLDER) ? Object.keys(request.library) : []),
    stderr: {
      write: (text) => {
        errors += text;
      },
    },
  });
  const wasm = out[OUT];
  const sourceMap = out[`${OUT}.map`];
  return {
    wasm: error || !(wasm instanceof Uint8Array) ? undefined : Buffer.from(wasm).toString("base64"),
    sourceMap: typeof sourceMap === "string" ? sourceMap : undefined,
    errors: errors || (error ? error.message : ""),
  };
}

function filesOf({ name, source, library }: CompileRequest): Record<string, string> {
  const files: Record<string, string> = { [`${name}.ts`]: source, [ENTRY]: entryFor(name) };
  for (const [file, text] of Object.entries(library)) {
    files[file] = text;
    files[`${LIBRARY_FOLDER}/${file}`] = text;
  }
  return files;
}

/** Exports run, and what the function exports: its parameters. */
function entryFor(name: string): string {
  return [
    `import { pick } from "./${name}";`,
    `export * from "./${name}";`,
    "export function run(): i32 {",
    "  return <i32>changetype<usize>(pick(connection, backends)) - 1;",
    "}",
    "",
  ].join("\n");
}
