// What the dispatcher answers: an i32. 0 and above: the index of a backend. -1: any backend (the
// function returned null). Below: it failed; -1 minus the answer has the reason in its lowest 4
// bits, and above them the place, an offset in the function's module.
//
//   "functions"."pick"(slot, count, state, fuel) → i32
//     count: of backends; state: address of 1,024 bytes in the plugin's memory, zeroed at first,
//     copied back after a success only; fuel: fuelFor(count)

export const ANY_BACKEND = -1;

/** Reasons, by number. */
export const FAILURE = {
  fuel: 1,
  unreachable: 2,
  check: 3,
  division: 4,
  range: 5,
  noFunction: 6,
} as const;

export type FailureReason = keyof typeof FAILURE;

/** For each reason, what operators read. */
export const FAILURE_TEXT: Readonly<Record<FailureReason, string>> = {
  fuel: "it ran for longer than its fuel allows",
  unreachable: "it ran out of memory, or reached code that must not be reached",
  check: "a check failed (range, null, assert or throw)",
  division: "it divided by zero, or the result is out of range",
  range: "it returned a backend that is not in the list",
  noFunction: "the slot has no function",
};

const REASON_BITS = 4;
const REASON_MASK = 2 ** REASON_BITS - 1;

interface Failure {
  readonly reason: FailureReason;
  /** Offset in the function's module; 0 where no instruction is to blame. */
  readonly place: number;
}

/** Returns the number that is thrown for a failure. */
export function thrownFor(reason: FailureReason, place: number): number {
  return (place << REASON_BITS) | FAILURE[reason];
}

/** Returns why the pick failed; undefined where it did not. */
export function failureOf(answer: number): Failure | undefined {
  if (answer >= ANY_BACKEND) return undefined;
  const thrown = ANY_BACKEND - answer;
  const known = Object.keys(FAILURE) as FailureReason[];
  const reason = known.find((each) => FAILURE[each] === (thrown & REASON_MASK));
  return { reason: reason ?? "unreachable", place: thrown >>> REASON_BITS };
}
