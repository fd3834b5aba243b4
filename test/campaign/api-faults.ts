// Faults of the API server and of the way to it. What is programmed goes on without it.

import type { ApiMode } from "./api-proxy.ts";
import { type FaultKind, nothingToHeal } from "./fault.ts";

function modeFault(name: string, variants: readonly string[]): FaultKind {
  return {
    name,
    variants,
    allows: {},
    async inject(stand, variant) {
      const mode = /^\d+$/.test(variant) ? Number(variant) : (variant as ApiMode);
      stand.api.set(mode);
      return async () => stand.api.set("open");
    },
  };
}

export const API_FAULTS: readonly FaultKind[] = [
  modeFault("api", ["gone", "silent", "slow"]),
  modeFault("api-answers", ["410", "429", "500", "503"]),
  {
    name: "watches-cut",
    variants: ["mid-line"],
    weight: 2,
    allows: {},
    async inject(stand) {
      stand.api.cutWatches();
      return nothingToHeal;
    },
  },
];
