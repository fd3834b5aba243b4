// One HTTP request on the table's Unix socket: a push, a dump, the version, or what was counted
// per Service. Requests leave nothing behind in the VM; between headers and body the host keeps
// what there is.
//
// To add a question: a path here, an answer in table/ or stats/, the client in controller/table.

import { ACTION_STOP, STATUS_OK } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { framesRefusedTotal } from "../counters";
import { writeAddress } from "../host/address";
import { count } from "../host/counter";
import { answerBytes, answerJson, readRequestBody, readRequestHeader } from "../host/http";
import {
  addByte,
  addBytes,
  addNumber,
  addText,
  beginText,
  isText,
  lastingAscii,
  textBytes,
  textSize,
} from "../host/text";
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
import {
  dumpPages,
  forgetEntry,
  releaseAnswer,
  statsAnswer,
  statsAnswerBytes,
} from "../stats/pages";
import { APPLIED, applyFrame, CONFLICT, REFUSED } from "../table/apply";
import { dumpBuckets, dumpedBytes, dumpedPage, releasePage } from "../table/dump";
import { head, readHead } from "../table/head";
import { backendBytes, keyFamily } from "../table/record";
import { addRefusal } from "../table/refusal";
import { AFFINITY_BUCKET_COUNT, BUCKET_COUNT, MAX_FRAME_BYTES, WIRE_VERSION } from "../wire/layout";
import { STATS_KEY_BYTES, STATS_PAGE_COUNT } from "../wire/stats-layout";
import { buildId, buildIdSize } from "./configuration";
import { parseQuery, queryCount, queryFirst } from "./dump-query";
import { parseSessionQuery, queriedClient, queriedFrontend } from "./session-query";

const METHOD = ":method";
const methodName: usize = lastingAscii(METHOD);
const PATH = ":path";
const pathName: usize = lastingAscii(PATH);
const QUESTION_MARK: u8 = 0x3f;
const QUOTE: u8 = 0x22;

function send(statusCode: u32): u32 {
  answerJson(statusCode, textBytes(), textSize());
  return ACTION_STOP;
}

function beginError(): void {
  beginText();
  addText('{"error":"');
}

function sendError(statusCode: u32, message: string): u32 {
  beginError();
  addText(message);
  addText('"}');
  return send(statusCode);
}

/** ends the JSON body with the version that the head has now. */
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

function answerVersion(): u32 {
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

function answerDump(query: usize, end: usize): u32 {
  if (!parseQuery(query, end, BUCKET_COUNT)) {
    return sendError(400, "dump wants ?first=B&count=N, buckets 0 to 16383, N from 1");
  }
  const dumped = dumpBuckets(queryFirst(), queryCount());
  if (dumped) answerBytes(dumpedPage(), dumpedBytes());
  releasePage();
  return dumped ? ACTION_STOP : sendError(500, "the table cannot be read");
}

function answerStats(query: usize, end: usize): u32 {
  if (!parseQuery(query, end, STATS_PAGE_COUNT)) {
    return sendError(400, "stats wants ?first=P&count=N, pages 0 to 1023, N from 1");
  }
  const dumped = dumpPages(queryFirst(), queryCount());
  if (dumped) answerBytes(statsAnswer(), statsAnswerBytes());
  releaseAnswer();
  return dumped ? ACTION_STOP : sendError(500, "what was counted cannot be read");
}

function answerAffinity(query: usize, end: usize): u32 {
  if (!parseQuery(query, end, AFFINITY_BUCKET_COUNT)) {
    return sendError(400, "affinity wants ?first=B&count=N, buckets 0 to 16383, N from 1");
  }
  const copied = copyBuckets(queryFirst(), queryCount());
  if (copied) answerBytes(copiedRow(), copiedBytes());
  releaseRow();
  return copied ? ACTION_STOP : sendError(500, "what is remembered cannot be read");
}

/** The body is what another Envoy answered to answerAffinity. */
function answerTake(size: u32): u32 {
  const row: usize = size === 0 ? 0 : readRequestBody(size);
  const isWhole = row !== 0 && isWholeRow(row, size);
  if (isWhole) takeRow(row, size);
  release(row);
  if (!isWhole) return sendError(400, "no row of affinity buckets of this version");
  beginText();
  addText("{}");
  return send(200);
}

/** The body is a row of keys. */
function answerForget(size: u32): u32 {
  const keys: usize = size === 0 ? 0 : readRequestBody(size);
  if (size > 0 && keys === 0) return sendError(500, "the request's body cannot be read");
  const isWhole = size % STATS_KEY_BYTES === 0;
  for (let at: u32 = 0; isWhole && at < size; at += STATS_KEY_BYTES) forgetEntry(keys + at);
  release(keys);
  if (!isWhole) return sendError(400, "forget wants keys of 28 bytes");
  beginText();
  addText("{}");
  return send(200);
}

function answerConflict(): u32 {
  beginError();
  addText('the frame does not follow the table as it is, or another push is under way",');
  addVersionAndEnd();
  return send(409);
}

function answerApplied(): u32 {
  beginText();
  addText("{");
  addVersionAndEnd();
  return send(200);
}

function answerRefused(): u32 {
  count(framesRefusedTotal);
  beginError();
  addRefusal();
  addText('"}');
  return send(400);
}

function answerFrame(size: u32): u32 {
  const frame: usize = size === 0 ? 0 : readRequestBody(size);
  if (size > 0 && frame === 0) return sendError(500, "the request's body cannot be read");
  const outcome = applyFrame(frame, size);
  release(frame);
  if (outcome === APPLIED) return answerApplied();
  if (outcome === REFUSED) return answerRefused();
  if (outcome === CONFLICT) return answerConflict();
  return sendError(500, "shared data could not be written; the table has version 0 now");
}

const FRAMES = "/v1/frames";
const FORGET = "/v1/stats/forget";
const TAKE = "/v1/affinity/take";

const text: usize = memory.data(47); // ADDRESS_TEXT_BYTES

/** Which backend a client goes on with by session affinity, and how long it has to come back. */
function answerSession(query: usize, end: usize): u32 {
  if (!parseSessionQuery(query, end)) {
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

function takesBody(path: usize, size: u32): bool {
  return isText(path, size, FRAMES) || isText(path, size, FORGET) || isText(path, size, TAKE);
}

/** Answers, or stops to wait for the body. */
function answer(method: usize, methodSize: u32, path: usize, size: u32, bodyless: bool): u32 {
  let pathEnd = path;
  while (pathEnd < path + size && load<u8>(pathEnd) !== QUESTION_MARK) pathEnd++;
  const end = path + size;
  const pathSize = <u32>(pathEnd - path);
  const version = isText(path, pathSize, "/v1/version");
  const dump = isText(path, pathSize, "/v1/dump");
  const stats = isText(path, pathSize, "/v1/stats");
  const affinity = isText(path, pathSize, "/v1/affinity");
  const session = isText(path, pathSize, "/v1/session");
  const posted = takesBody(path, pathSize);
  if (!version && !dump && !stats && !affinity && !session && !posted) {
    return sendError(404, "no such path: see ARCHITECTURE.md, The table's protocol");
  }
  if (!isText(method, methodSize, posted ? "POST" : "GET")) {
    return sendError(405, posted ? "this path takes POST" : "this path takes GET");
  }
  if (posted) return bodyless ? answerBody(path, pathSize, 0) : ACTION_STOP;
  if (version) return answerVersion();
  if (dump) return answerDump(pathEnd, end);
  if (session) return answerSession(pathEnd, end);
  return stats ? answerStats(pathEnd, end) : answerAffinity(pathEnd, end);
}

/** The whole body is there. */
function answerBody(path: usize, pathSize: u32, size: u32): u32 {
  if (isText(path, pathSize, FORGET)) return answerForget(size);
  return isText(path, pathSize, TAKE) ? answerTake(size) : answerFrame(size);
}

export function proxy_on_request_headers(_contextId: u32, _count: u32, endOfStream: u32): u32 {
  const method = readRequestHeader(methodName, METHOD.length);
  const methodSize = method === 0 ? 0 : returnedSize();
  const path = readRequestHeader(pathName, PATH.length);
  const pathSize = path === 0 ? 0 : returnedSize();
  const action = answer(method, methodSize, path, pathSize, endOfStream !== 0);
  release(method);
  release(path);
  return action;
}

/** Comes only where the headers were not answered: a body, `size` bytes so far. */
export function proxy_on_request_body(_contextId: u32, size: u32, endOfStream: u32): u32 {
  if (size > MAX_FRAME_BYTES) {
    count(framesRefusedTotal);
    return sendError(413, "the frame is over MAX_FRAME_BYTES (8388608)");
  }
  if (endOfStream === 0) return ACTION_STOP;
  const path = readRequestHeader(pathName, PATH.length);
  const action = answerBody(path, path === 0 ? 0 : returnedSize(), size);
  release(path);
  return action;
}
