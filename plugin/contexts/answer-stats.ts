// The table endpoint's answers about what was counted per Service: its pages, and forgetting
// Services that are gone. Query or body → an answer; stats/pages.ts has the pages.

import { addNumber, addText } from "../host/text";
import {
  dumpPages,
  forgetEntry,
  releaseAnswer,
  statsAnswer,
  statsAnswerBytes,
} from "../stats/pages";
import { STATS_KEY_BYTES, STATS_PAGE_COUNT } from "../wire/stats-layout";
import {
  beginError,
  sendBegunError,
  sendBytes,
  sendDone,
  sendError,
  sendRangeError,
  sendUnreadable,
} from "./answer";
import { parseQuery, queryCount, queryFirst } from "./dump-query";

/** Answers with the entries of the pages in the query; 500 when the host fails. */
export function answerStats(query: usize, size: u32): u32 {
  if (!parseQuery(query, query + size, STATS_PAGE_COUNT)) {
    return sendRangeError("stats wants ?first=P&count=N, pages", STATS_PAGE_COUNT);
  }
  const dumped = dumpPages(queryFirst(), queryCount());
  const action = dumped
    ? sendBytes(statsAnswer(), statsAnswerBytes())
    : sendError(500, "what was counted cannot be read");
  releaseAnswer();
  return action;
}

function sendKeysError(): u32 {
  beginError();
  addText("forget wants keys of ");
  addNumber(STATS_KEY_BYTES);
  addText(" bytes");
  return sendBegunError(400);
}

/** Drops the entries whose keys are in the body, STATS_KEY_BYTES each; 400 for anything else. */
export function answerForget(keys: usize, size: u32): u32 {
  if (size > 0 && keys === 0) return sendUnreadable();
  if (size % STATS_KEY_BYTES !== 0) return sendKeysError();
  for (let at: u32 = 0; at < size; at += STATS_KEY_BYTES) forgetEntry(keys + at);
  return sendDone();
}
