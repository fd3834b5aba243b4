// A question as operators type it → its explanation; asks the node until nothing is missing. After
// a change, cluster and data plane differ until the sync is done: an explanation that sees a
// difference is repeated after the sync, so that it reports only differences that last.

import { join } from "node:path";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import type { KernelLook } from "../capture/apply.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { runProgram } from "../capture/program.ts";
import { type Asked, type AskedTexts, askedFromTexts, ExplainError } from "../explain/asked.ts";
import { Evidence } from "../explain/evidence.ts";
import { explain } from "../explain/explain.ts";
import type { Explanation } from "../explain/explanation.ts";
import { kernelTableFrom } from "../explain/kernel-table.ts";
import type { KnownCluster } from "../explain/known-cluster.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { Problems } from "../observe/problems.ts";
import { interfaceAddresses } from "../plane/interface-addresses.ts";
import type { NodeSync } from "../plane/node-sync.ts";
import { Refusal } from "../system/refusal.ts";
import { LiveAnswers, type LiveParts } from "./live-answers.ts";

/** Answers lead to more questions: to the rules behind a rule, to the routes of backends. */
const MOST_ROUNDS = 50;
const ATTEMPTS = 3;

interface ExplainerParts {
  /** Returns the parts to ask: the active Envoy may have changed. */
  live: () => LiveParts;
  /** Returns the present knowledge. */
  known: () => KnownCluster;
  lookAtKernel: () => Promise<KernelLook>;
  /** The packet mark of Envoy's TCP connections to backends. */
  envoyMark: number;
  masqueradedMark: number;
  /** Resolves when no sync is under way. */
  settled: () => Promise<void>;
  /** Returns the addresses of a Pod by "namespace/name"; none when unknown. */
  podAddresses: (pod: string) => readonly string[];
}

class Explainer {
  readonly #parts: ExplainerParts;

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /** Rejects with Refusal when there is no such Service, Pod or port. */
  async explain(texts: AskedTexts): Promise<Explanation> {
    const { known, podAddresses, settled } = this.#parts;
    if (!known().isSynced)
      throw new Refusal("the controller has not read the cluster yet: try again in a moment");
    const asked = refusing(() => askedFromTexts(texts, known(), podAddresses));
    for (let attempt = 1; ; attempt++) {
      await settled();
      const { explanation, isSilent } = await this.#explainOnce(asked);
      const isSettled = explanation.disagreements.length === 0 || isSilent;
      if (isSettled || attempt === ATTEMPTS) return explanation;
    }
  }

  /** `isSilent`: a part does not answer, and asking again would only take as long again. */
  async #explainOnce(asked: Asked): Promise<{ explanation: Explanation; isSilent: boolean }> {
    const { known, lookAtKernel, envoyMark, masqueradedMark } = this.#parts;
    const { table, changes } = await lookAtKernel();
    const kernel = { table: kernelTableFrom(table), changes, envoyMark, masqueradedMark };
    const answers = new LiveAnswers(this.#parts.live());
    const evidence = new Evidence();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const explanation = explain(asked, known(), kernel, evidence);
      const missing = evidence.takeMissing();
      const isSilent = evidence.failures.length > 0;
      if (missing.length === 0) return { explanation, isSilent };
      await answers.answer(missing, evidence);
    }
    throw new Error(`explain: unresolved after ${MOST_ROUNDS} rounds of evidence`);
  }
}

/** Returns the explainer for the parts of a running controller. */
export function explainerOf(
  parts: { state: ClusterState; problems: Problems; sync: NodeSync } & Pick<
    ExplainerParts,
    "podAddresses"
  > &
    Pick<KnownCluster, "serviceProxyName" | "connecting" | "functionVersion">,
): Explainer {
  const { state, problems, sync, podAddresses, serviceProxyName, connecting } = parts;
  const { functionVersion } = parts;
  const { envoyMarkBit, masqueradeMarkBit } = DEFAULT_CAPTURE_OPTIONS;
  return new Explainer({
    live: () => {
      const { table, place } = sync.plane;
      const adminSocket = join(place.directory, ADMIN_SOCKET);
      return { run: runProgram, table, adminSocket, interfaceAddresses };
    },
    known: () => ({
      state,
      isSynced: state.isSynced(),
      serviceProxyName,
      connecting,
      ...(functionVersion && { functionVersion }),
      problems: problems.list(),
      ...sync.known(),
    }),
    lookAtKernel: () => sync.plane.lookAtKernel(),
    envoyMark: envoyMarkBit,
    masqueradedMark: envoyMarkBit | masqueradeMarkBit,
    settled: () => sync.settled(),
    podAddresses,
  });
}

function refusing<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof ExplainError) throw new Refusal(error.message);
    throw error;
  }
}
