// The table endpoint's answers about session affinity: the backend that a client keeps, and what is
// remembered, for another Envoy. Query or body → an answer; pick/ has what is remembered.

import { ADDRESS_TEXT_BYTES, writeAddress } from "../host/address";
import { addByte, addBytes, addNumber, addText, beginText } from "../host/text";
import {
  copiedBytes,
  copiedRow,
  copyBuckets,
  isWholeRow,
  releaseRow,
  takeRow,
} from "../pick/affinity-copy";
import { pickedBackend } from "../pick/backend";
import { peekBackend } from "../pick/lookup";
import { backendBytes, keyFamily } from "../table/record";
import { AFFINITY_BUCKET_COUNT } from "../wire/layout";
import { send, sendBytes, sendDone, sendError, sendRangeError } from "./answer";
import { parseQuery, queryCount, queryFirst } from "./dump-query";
import { parseSessionQuery, queriedClient, queriedFrontend } from "./session-query";

const QUOTE: u8 = 0x22;

const text: usize = memory.data(ADDRESS_TEXT_BYTES);

/** Answers with a row of the buckets in the query, for answerTake; 500 when the host fails. */
export function answerAffinity(query: usize, size: u32): u32 {
  if (!parseQuery(query, query + size, AFFINITY_BUCKET_COUNT)) {
    return sendRangeError("affinity wants ?first=B&count=N, buckets", AFFINITY_BUCKET_COUNT);
  }
  const copied = copyBuckets(queryFirst(), queryCount());
  const action = copied
    ? sendBytes(copiedRow(), copiedBytes())
    : sendError(500, "what is remembered cannot be read");
  releaseRow();
  return action;
}

/** Takes over the row in the body, from answerAffinity of another Envoy; 400 for anything else. */
export function answerTake(row: usize, size: u32): u32 {
  if (row === 0 || !isWholeRow(row, size)) {
    return sendError(400, "no row of affinity buckets of this version");
  }
  takeRow(row, size);
  return sendDone();
}

/** Answers with the backend that a client keeps, and how long it has to come back; null: none. */
export function answerSession(query: usize, size: u32): u32 {
  if (!parseSessionQuery(query, query + size)) {
    return sendError(
      400,
      "session wants ?frontend=ADDRESS:PORT&client=ADDRESS:0&list=cluster|local",
    );
  }
  const key = queriedFrontend();
  const seconds = peekBackend(key, queriedClient());
  beginText();
  addText('{"backend":');
  if (seconds === 0) addText("null");
  else {
    const backend = pickedBackend();
    const port = bswap<u16>(load<u16>(backend + backendBytes(key) - 4));
    addByte(QUOTE);
    addBytes(text, writeAddress(keyFamily(key), backend, port, text));
    addByte(QUOTE);
  }
  addText(',"seconds":');
  addNumber(seconds);
  addText("}");
  return send(200);
}
