import { ExplainRunner } from "./explain.ts";
import { runCases } from "./run.ts";

runCases("explain", "explanations", () => new ExplainRunner());
runCases("explain", "explanations, where NAT leads Pods to Envoy", () => new ExplainRunner(true));
