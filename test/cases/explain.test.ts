import { ExplainRunner } from "./explain.ts";
import { runCases } from "./run.ts";

runCases("explain", "explanations", () => new ExplainRunner());
