// What the dialling agent (dial.ts) and the test that asks it (dialer.ts) say to each other: JSON,
// one message a line.

/**
 * answered: connected and got the answer; refused: ECONNREFUSED at connect(); timeout: no answer in
 * time; reset: ECONNRESET after the connect; eof: closed by the other side before it answered;
 * unreachable: no route, or an ICMP error that says so.
 */
export type Outcome = "answered" | "refused" | "timeout" | "reset" | "eof" | "unreachable";

export interface DialResult {
  outcome: Outcome;
  /** Who answered, and from which "address:port" it was asked; empty unless answered. */
  name: string;
  client: string;
  /** The "address:port" at which it was reached, over UDP ":port"; empty unless answered. */
  server: string;
  /** Until the outcome, in milliseconds. */
  milliseconds: number;
}

export interface Target {
  protocol: "TCP" | "UDP";
  address: string;
  port: number;
  timeoutMs: number;
  /** 0: the kernel chooses. */
  localPort: number;
  /** Undefined: the kernel chooses. */
  localAddress?: string;
  /** How many bytes a UDP query has; ignored for TCP. */
  bytes: number;
}

/** How often each outcome was seen, and how often each name answered. */
export interface Tally {
  outcomes: Partial<Record<Outcome, number>>;
  names: Record<string, number>;
  slowestMs: number;
}

/** A connection that the agent holds, by a number that the asking side chooses. */
export type Request =
  | { op: "dial"; target: Target; tries: number }
  | { op: "open"; connection: number; target: Target }
  | { op: "say"; connection: number; text: string; timeoutMs: number }
  | { op: "close"; connection: number }
  | { op: "load"; load: number; target: Target; concurrency: number; pauseMs: number }
  | { op: "stop"; load: number };

export interface Numbered {
  id: number;
  request: Request;
}

export type Answer =
  | { id: number; results: DialResult[] }
  | { id: number; tally: Tally }
  | { id: number; text: string }
  | { id: number; error: string };
