// portico function new|check|test|build: a function from its first file to the ConfigMap by which
// nodes get it. Nothing here needs a cluster.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command, Option } from "commander";
import { compileFunction } from "../functions/compile.ts";
import { COMPILER_VERSION } from "../functions/compiler.ts";
import { configMapOf } from "../functions/config-map.ts";
import { apiTypes, shippedFunctions, templateFiles } from "../functions/library.ts";
import { problemOf } from "../functions/problem.ts";
import { functionTestCommand } from "./function-test.ts";

/** Starts this command again, for asc's process. */
const PROGRAM = [process.execPath, process.argv[1] ?? ""];

/** Returns the command `portico function` with its subcommands. */
export function functionCommand(): Command {
  const command = new Command("function").description(
    "write, check, test and build functions: TypeScript that picks the backend of a connection",
  );
  command
    .command("new")
    .argument("<folder>", "a folder that does not exist yet")
    .addOption(
      new Option("--from <name>", "start from a shipped function and not from the template"),
    )
    .description("make a folder with a first function, types for your editor, and a README")
    .action(create);
  command
    .command("check")
    .argument("<file...>", "TypeScript, one function a file")
    .description("compile and check functions, and say what to write instead of what is wrong")
    .action(check);
  command.addCommand(functionTestCommand(PROGRAM));
  command
    .command("build")
    .argument("<file...>", "TypeScript, one function a file")
    .option("--name <name>", "of the ConfigMap", "portico-functions")
    .option("-n, --namespace <namespace>", "of the ConfigMap; none when absent")
    .option("-o, --output <file>", "the file to write; standard output when absent")
    .description("write a ConfigMap with the sources and modules of functions")
    .action(build);
  return command;
}

async function create(folder: string, options: { from?: string }): Promise<void> {
  const files = templateFiles();
  if (options.from !== undefined) {
    const shipped = shippedFunctions();
    const source = Object.hasOwn(shipped, options.from) ? shipped[options.from] : undefined;
    if (source === undefined) {
      throw new Error(`no shipped function "${options.from}": ${Object.keys(shipped).join(", ")}`);
    }
    delete files["pick.ts"];
    files[`${options.from}.ts`] = source;
  }
  files["portico.d.ts"] = apiTypes();
  files["package.json"] = packageFile(basename(folder));
  await mkdir(folder);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const file = Object.keys(files).find((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));
  process.stdout.write(
    `${folder} has ${Object.keys(files).sort().join(", ")}. Next:\n` +
      `  npm install --prefix ${folder}\n  portico function test ${join(folder, file ?? "")}\n`,
  );
}

function packageFile(name: string): string {
  const content = { name, private: true, devDependencies: { assemblyscript: COMPILER_VERSION } };
  return `${JSON.stringify(content, null, 2)}\n`;
}

async function check(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const compiled = await compileFunction(file, await readFile(file, "utf8"), PROGRAM);
    const problem = problemOf(file, compiled);
    process.stdout.write(problem ?? `${file}: fine, ${compiled.module?.wasm.length} bytes\n`);
    if (problem !== undefined) process.exitCode = 1;
  }
}

interface BuildOptions {
  name: string;
  namespace?: string;
  output?: string;
}

async function build(files: readonly string[], options: BuildOptions): Promise<void> {
  const built = [];
  for (const file of files) {
    const source = await readFile(file, "utf8");
    const compiled = await compileFunction(file, source, PROGRAM);
    const problem = problemOf(file, compiled);
    if (problem !== undefined || !compiled.module) {
      process.stderr.write(problem ?? "");
      process.exitCode = 1;
      return;
    }
    built.push({ module: compiled.module, source });
  }
  const text = configMapOf(options.name, options.namespace, built);
  if (options.output === undefined) process.stdout.write(text);
  else await writeFile(options.output, text);
}
