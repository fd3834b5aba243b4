// The table endpoint's answers about the table: its version, a dump of it, and a pushed frame.
// Query or body → an answer; table/ does the work.

import { STATUS_OK } from "../abi/codes";
import { framesRefusedTotal } from "../counters";
import { count } from "../host/counter";
import { addByte, addBytes, addNumber, addText, beginText } from "../host/text";
import { APPLIED, applyFrame, CONFLICT, REFUSED } from "../table/apply";
import { dumpBuckets, dumpedBytes, dumpedPage, releasePage } from "../table/dump";
import { head, readHead } from "../table/head";
import { addRefusal } from "../table/refusal";
import { BUCKET_COUNT, WIRE_VERSION } from "../wire/layout";
import {
  beginError,
  send,
  sendBegunError,
  sendBytes,
  sendError,
  sendRangeError,
  sendUnreadable,
} from "./answer";
import { buildId, buildIdSize } from "./configuration";
import { parseQuery, queryCount, queryFirst } from "./dump-query";

const QUOTE: u8 = 0x22;

/** Ends the JSON body with the version that the head has now. */
function addVersionAndEnd(): void {
  addText('"version":');
  addNumber(head().version);
  addText("}");
}

function addLoading(): void {
  addText(',"loading":');
  if (head().loadingVersion === 0) {
    addText("null");
    return;
  }
  addText('{"version":');
  addNumber(head().loadingVersion);
  addText(',"nextBucket":');
  addNumber(head().nextBucket);
  addText("}");
}

/** Answers with the table's version and the plugin's build; 500 when the host fails. */
export function answerVersion(_query: usize, _size: u32): u32 {
  if (readHead() !== STATUS_OK) return sendError(500, "the table's head cannot be read");
  beginText();
  addText('{"version":');
  addNumber(head().version);
  addText(',"wireVersion":');
  addNumber(WIRE_VERSION);
  addText(',"build":"');
  addBytes(buildId(), buildIdSize());
  addByte(QUOTE);
  addText(',"frontends":');
  addNumber(head().frontendCount);
  addLoading();
  addText("}");
  return send(200);
}

/** Answers with a snapshot frame of the buckets in the query; 500 when the host fails. */
export function answerDump(query: usize, size: u32): u32 {
  if (!parseQuery(query, query + size, BUCKET_COUNT)) {
    return sendRangeError("dump wants ?first=B&count=N, buckets", BUCKET_COUNT);
  }
  const dumped = dumpBuckets(queryFirst(), queryCount());
  const action = dumped
    ? sendBytes(dumpedPage(), dumpedBytes())
    : sendError(500, "the table cannot be read");
  releasePage();
  return action;
}

function sendConflict(): u32 {
  beginError();
  addText('the frame does not follow the table as it is, or another push is under way",');
  addVersionAndEnd();
  return send(409);
}

function sendApplied(): u32 {
  beginText();
  addText("{");
  addVersionAndEnd();
  return send(200);
}

function sendRefused(): u32 {
  count(framesRefusedTotal);
  beginError();
  addRefusal();
  return sendBegunError(400);
}

/**
 * Applies the frame in the body. 400: it is invalid; 409: it does not follow the table, whose
 * version is in the answer; 500: the host failed, and the table may have version 0.
 */
export function answerFrame(frame: usize, size: u32): u32 {
  if (size > 0 && frame === 0) return sendUnreadable();
  const outcome = applyFrame(frame, size);
  if (outcome === APPLIED) return sendApplied();
  if (outcome === REFUSED) return sendRefused();
  if (outcome === CONFLICT) return sendConflict();
  return sendError(500, "shared data could not be written; the table has version 0 now");
}
