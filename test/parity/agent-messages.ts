// What an agent (agent.ts) and the test that asks it (agent-client.ts) say to each other: JSON, one
// message a line.

/**
 * answered: somebody said who they are. refused: ECONNREFUSED. timeout: nothing in time. reset,
 * eof: TCP ended, badly or well, before an answer. unreachable: an ICMP error that says so.
 */
export type Outcome = "answered" | "refused" | "timeout" | "reset" | "eof" | "unreachable";

export interface DialResult {
  outcome: Outcome;
  /** Name and port of who answered, "pod-a:8080"; empty unless answered. */
  backend: string;
  /** The address that they were asked from; empty unless answered. */
  source: string;
}

export interface Target {
  protocol: "TCP" | "UDP";
  address: string;
  port: number;
  /** Undefined: the kernel chooses. */
  localAddress?: string;
  timeoutMs: number;
}

export type Request =
  /** Dials `tries` times, several at once; ends early when the first few all fail. */
  | { op: "dial"; target: Target; tries: number }
  /** One after the other, with a pause between them. */
  | { op: "sequence"; targets: Target[]; pauseMs: number }
  /** Asks over the flow's socket, which is opened with the first call and then kept. */
  | { op: "flow"; flow: string; target: Target }
  | { op: "close flows" }
  /** GET /: the answer as text, "200 {…}"; an Outcome where there is none. */
  | { op: "http"; target: Target };

export interface Numbered {
  id: number;
  request: Request;
}

export type Answer =
  | { id: number; results: DialResult[] }
  | { id: number; text: string }
  | { id: number; error: string };
