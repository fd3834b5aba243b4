// A question as people type it → its explanation, asked from the node as it is until nothing is
// missing. After a change, cluster and data plane differ until the sync is done: an explanation
// that sees them differ is made once more after it, so that what it reports has lasted.

import { join } from "node:path";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import type { KernelLook } from "../capture/apply.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { runProgram } from "../capture/program.ts";
import type { RunOptions } from "../config.ts";
import { Evidence } from "../explain/evidence.ts";
import { explain } from "../explain/explain.ts";
import type { Explanation } from "../explain/explanation.ts";
import { kernelTableFrom } from "../explain/kernel-table.ts";
import type { KnownCluster } from "../explain/known-cluster.ts";
import { type Asked, type AskedTexts, askedFromTexts, ExplainError } from "../explain/question.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { Problems } from "../observe/problems.ts";
import { ControlRefusal } from "./control-server.ts";
import { interfaceAddresses } from "./interface-addresses.ts";
import { LiveAnswers, type LiveParts } from "./live-answers.ts";
import type { NodeSync } from "./node-sync.ts";

/** Answers lead to questions: to the rules behind a rule, to the routes of backends. */
const MOST_ROUNDS = 50;
const ATTEMPTS = 3;

export interface ExplainerParts {
  /** Whom to ask: there may be another Envoy than before. */
  live: () => LiveParts;
  /** As it is at the moment. */
  known: () => KnownCluster;
  lookAtKernel: () => Promise<KernelLook>;
  /** The packet mark of Envoy's TCP connections to backends. */
  envoyMark: number;
  /** Resolves when no sync is under way. */
  settled: () => Promise<void>;
  /** Addresses of a Pod by "namespace/name"; none when that is not known. */
  podAddresses: (pod: string) => readonly string[];
}

export class Explainer {
  readonly #parts: ExplainerParts;

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /** Rejects with ControlRefusal when there is no such Service, Pod or port. */
  async explain(texts: AskedTexts): Promise<Explanation> {
    const { known, podAddresses, settled } = this.#parts;
    if (!known().isSynced) throw new ControlRefusal("the controller has not read the cluster yet");
    const asked = refusing(() => askedFromTexts(texts, known(), podAddresses));
    for (let attempt = 1; ; attempt++) {
      await settled();
      const { explanation, isSilent } = await this.#explainOnce(asked);
      const isSettled = explanation.disagreements.length === 0 || isSilent;
      if (isSettled || attempt === ATTEMPTS) return explanation;
    }
  }

  /** `isSilent`: somebody does not answer, and asking again would only take as long again. */
  async #explainOnce(asked: Asked): Promise<{ explanation: Explanation; isSilent: boolean }> {
    const { known, lookAtKernel, envoyMark } = this.#parts;
    const { table, changes } = await lookAtKernel();
    const kernel = { table: kernelTableFrom(table), changes, envoyMark };
    const answers = new LiveAnswers(this.#parts.live());
    const evidence = new Evidence();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const explanation = explain(asked, known(), kernel, evidence);
      const missing = evidence.takeMissing();
      const isSilent = evidence.failures.length > 0;
      if (missing.length === 0) return { explanation, isSilent };
      await answers.answer(missing, evidence);
    }
    throw new Error(`explain: still asks after ${MOST_ROUNDS} rounds`);
  }
}

/** Of the parts of a running controller. */
export function explainerOf(
  options: RunOptions,
  parts: { state: ClusterState; problems: Problems; sync: NodeSync } & Pick<
    ExplainerParts,
    "podAddresses"
  >,
): Explainer {
  const { state, problems, sync, podAddresses } = parts;
  return new Explainer({
    live: () => {
      const { table, place } = sync.plane;
      const adminSocket = join(place.directory, ADMIN_SOCKET);
      return { run: runProgram, table, adminSocket, interfaceAddresses };
    },
    known: () => ({
      state,
      isSynced: state.isSynced(),
      serviceProxyName: options.serviceProxyName,
      problems: problems.list(),
      ...sync.known(),
    }),
    lookAtKernel: () => sync.plane.lookAtKernel(),
    envoyMark: DEFAULT_CAPTURE_OPTIONS.envoyMarkBit,
    settled: () => sync.settled(),
    podAddresses,
  });
}

function refusing<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof ExplainError) throw new ControlRefusal(error.message);
    throw error;
  }
}
