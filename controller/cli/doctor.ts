// portico doctor: why does this Service not answer? Examines the cluster, and this node where
// Portico runs, and prints what it found. What it looks for is in doctor/.

import { setTimeout as delay } from "node:timers/promises";
import { Command, Option } from "commander";
import { DEFAULT_RUN_DIR } from "../config/run-options.ts";
import { CODES } from "../doctor/codes.ts";
import { diagnoseAll, diagnoseService } from "../doctor/diagnose.ts";
import { exitCodeOf, reportText } from "../doctor/report.ts";
import type { Finding } from "../doctor/types.ts";
import { ApiFailure } from "../kubeconfig/api-failure.ts";
import { accessFromDefaults, accessFromFile } from "../kubeconfig/load.ts";
import { type Look, lookAtApi, type Scope } from "./doctor-api.ts";
import { lookAtManifests } from "./doctor-manifests.ts";
import { lookAtNode } from "./doctor-node.ts";
import { doctorSource } from "./doctor-source.ts";
import { columns } from "./output.ts";

interface DoctorOptions {
  kubeconfig?: string;
  context?: string;
  manifests?: string;
  namespace?: string;
  runDir: string;
  connect: boolean;
  all?: true;
  codes?: true;
  output?: "json";
}

/** Exit code: it could not look. */
const NOT_LOOKED = 2;
/** Changes that are on their way have arrived by then. */
const SETTLE_MS = 2_000;

/**
 * Returns the command `portico doctor`, which needs no controller. It exits with 2 when it cannot
 * look, for wrong flags too.
 */
export function doctorCommand(): Command {
  return new Command("doctor")
    .argument(
      "[service]",
      "NAME or NAMESPACE/NAME; without it: all Services, errors and warnings only",
    )
    .summary("find out why a Service does not answer")
    .description(
      "find out why a Service does not answer: check its selector, its Pods and their ports, " +
        "its EndpointSlices, its addresses and policies; on a node that runs Portico, also check " +
        "what is programmed and, of a Service that is named, whether its endpoints accept " +
        "connections.\n" +
        "Prints one finding per line: error, warning, note or ok; what it is; the command that " +
        "shows it. Exits with 0 without errors, 1 with errors, 2 if it could not look.",
    )
    .addOption(
      new Option(
        "--kubeconfig <file>",
        "kubeconfig for the API server (default: as kubectl finds it, else the source of this " +
          "node's controller, else the Pod's service account)",
      ).conflicts("manifests"),
    )
    .option("--context <name>", "context of the kubeconfig to use instead of the current one")
    .option("--manifests <dir>", "read the YAML files of a directory instead of a cluster")
    .option(
      "-n, --namespace <namespace>",
      "namespace of the Service; without NAME, check only its Services",
    )
    .option("--run-dir <dir>", "run directory of the controller on this node", DEFAULT_RUN_DIR)
    .option("--no-connect", "do not connect to the endpoints, on a node that runs Portico")
    .option("-a, --all", "print ok and note findings for all Services too")
    .option("--codes", "only print the codes used in -o json")
    .addOption(
      new Option("-o, --output <format>", "output format instead of text").choices(["json"]),
    )
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : NOT_LOOKED))
    .action(doctor);
}

async function doctor(service: string | undefined, options: DoctorOptions): Promise<void> {
  if (options.codes) {
    process.stdout.write(columns([["CODE", "MEANING"], ...Object.entries(CODES)]));
    return;
  }
  try {
    const { findings, services } = await examine(service, options);
    const all = options.all === true || service !== undefined;
    process.stdout.write(
      options.output === "json"
        ? `${JSON.stringify({ services, findings }, null, 2)}\n`
        : reportText(findings, { services: service === undefined ? services : undefined, all }),
    );
    process.exitCode = exitCodeOf(findings);
  } catch (error) {
    const hint = error instanceof ApiFailure ? `. ${error.hint}` : "";
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`portico doctor: ${message.replace(/\.$/, "")}${hint}\n`);
    process.exitCode = NOT_LOOKED;
  }
}

interface Examination {
  findings: Finding[];
  /** How many were examined. */
  services: number;
}

/** How to look, and how often. */
interface View {
  scope: Scope;
  look: () => Promise<Look>;
  /** As in NodeQuestion. */
  source: string | undefined;
  /** The objects may be changing right now. */
  isAlive: boolean;
}

async function examine(service: string | undefined, options: DoctorOptions): Promise<Examination> {
  const view = await viewOf(service, options);
  const { look, findings, services } = await settled(view);
  const { namespace, name } = view.scope;
  const node = await lookAtNode({
    cluster: look.cluster,
    source: view.source,
    service: name === undefined ? undefined : `${namespace}/${name}`,
    isHealthy: exitCodeOf(findings) === 0,
    runDir: options.runDir,
    connects: options.connect,
  });
  return { findings: [...findings, ...node], services };
}

/** Looks again at what may seem wrong only because changes are on their way. */
async function settled(view: View): Promise<Examination & { look: Look }> {
  for (let isFirst = view.isAlive; ; isFirst = false) {
    const look = await view.look();
    const found = diagnosis(look, view.scope);
    if (!isFirst || !found.findings.some(isPassing)) return { ...found, look };
    await delay(SETTLE_MS);
  }
}

async function viewOf(service: string | undefined, options: DoctorOptions): Promise<View> {
  const from = await doctorSource(options);
  if (from.kind === "manifests") {
    const scope = scopeOf(service, options.namespace, "default");
    const look = () => lookAtManifests(from.directory);
    return { scope, look, source: `manifests in ${from.directory}`, isAlive: false };
  }
  const { kubeconfig: file } = from;
  const { context } = options;
  const access = file === undefined ? accessFromDefaults(context) : accessFromFile(file, context);
  const scope = scopeOf(service, options.namespace, access.namespace ?? "default");
  return { scope, look: () => lookAtApi(access, scope), source: undefined, isAlive: true };
}

/** Throws when the Service's own namespace and the one given are not the same. */
function scopeOf(
  service: string | undefined,
  namespace: string | undefined,
  current: string,
): Scope {
  if (service === undefined) return { namespace, name: undefined };
  const slash = service.indexOf("/");
  const own = slash < 0 ? undefined : service.slice(0, slash);
  if (own !== undefined && namespace !== undefined && own !== namespace) {
    throw new Error(`${service} is not in namespace ${namespace}; omit --namespace`);
  }
  return { namespace: own ?? namespace ?? current, name: service.slice(slash + 1) };
}

function diagnosis(look: Look, { namespace, name }: Scope): Examination {
  const { cluster } = look;
  if (namespace !== undefined && name !== undefined) {
    return {
      findings: [...look.findings, ...diagnoseService(cluster, namespace, name)],
      services: 1,
    };
  }
  const isWanted = (of: string) => namespace === undefined || of === namespace;
  const findings = diagnoseAll(cluster).filter(({ service }) => {
    return service === "" || isWanted(service.split("/")[0] ?? "");
  });
  const services = cluster.services.filter(({ service }) => isWanted(service.namespace));
  return { findings: [...look.findings, ...findings], services: services.length };
}

const PASSING = new Set(["stale-slices", "no-slices", "family-without-endpoints"]);

/** Reports whether a controller at work repairs it in a moment. */
function isPassing({ code }: Finding): boolean {
  return PASSING.has(code);
}
