// The table endpoint's answer about backends that fail: the entries of shared data, for the
// controller (wire/eject-layout.ts).

import { ejectedAnswer, ejectedAnswerBytes } from "../eject/answer";
import { steadyNow } from "../host/clock";
import { sendBytes, sendError } from "./answer";

/** Answers with all entries; 500 when the host fails. */
export function answerEjected(_query: usize, _size: u32): u32 {
  const answer = ejectedAnswer(steadyNow());
  return answer === 0
    ? sendError(500, "what is ejected cannot be read")
    : sendBytes(answer, ejectedAnswerBytes());
}
