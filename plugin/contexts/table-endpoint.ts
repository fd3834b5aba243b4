// One HTTP request on the table's Unix socket → the answer of its route. Requests leave nothing in
// the VM; between headers and body the host keeps the data.
//
// To add a question: its line in findRoute, its answer in a file answer-….ts, and the client in
// controller/table.

import { ACTION_STOP } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { framesRefusedTotal } from "../counters";
import { count } from "../host/counter";
import { readRequestBody, readRequestHeader } from "../host/http";
import { addNumber, addText, isText, lastingAscii } from "../host/text";
import { MAX_FRAME_BYTES } from "../wire/layout";
import { beginError, sendBegunError, sendError } from "./answer";
import { answerAffinity, answerSession, answerTake } from "./answer-affinity";
import { answerEjected } from "./answer-ejected";
import { answerFunctions } from "./answer-functions";
import { answerForget, answerStats } from "./answer-stats";
import { answerDump, answerFrame, answerVersion } from "./answer-table";

const METHOD = ":method";
const methodName: usize = lastingAscii(METHOD);
const PATH = ":path";
const pathName: usize = lastingAscii(PATH);
const QUESTION_MARK: u8 = 0x3f;

/**
 * Sends an answer, and returns an action. On a route without a body, it gets the query with its
 * question mark; on one with a body, the whole body: address 0 when that is empty, or when its size
 * is not 0 and the host did not provide it. Both are released afterwards.
 */
type Answer = (bytes: usize, size: u32) => u32;

const QUERY = false;
const BODY = true;

// The route that findRoute found last.
let routeMethod: string = "";
let takesBody: bool = false;
let routeAnswer: Answer = answerVersion;

function matches(
  path: usize,
  size: u32,
  routePath: string,
  method: string,
  body: bool,
  answer: Answer,
): bool {
  if (!isText(path, size, routePath)) return false;
  routeMethod = method;
  takesBody = body;
  routeAnswer = answer;
  return true;
}

/** Finds the route of a path, which has no query. False when there is none. */
function findRoute(path: usize, size: u32): bool {
  return (
    matches(path, size, "/v1/version", "GET", QUERY, answerVersion) ||
    matches(path, size, "/v1/dump", "GET", QUERY, answerDump) ||
    matches(path, size, "/v1/frames", "POST", BODY, answerFrame) ||
    matches(path, size, "/v1/stats", "GET", QUERY, answerStats) ||
    matches(path, size, "/v1/stats/forget", "POST", BODY, answerForget) ||
    matches(path, size, "/v1/affinity", "GET", QUERY, answerAffinity) ||
    matches(path, size, "/v1/affinity/take", "POST", BODY, answerTake) ||
    matches(path, size, "/v1/session", "GET", QUERY, answerSession) ||
    matches(path, size, "/v1/ejected", "GET", QUERY, answerEjected) ||
    matches(path, size, "/v1/functions", "GET", QUERY, answerFunctions)
  );
}

/** Returns the size of the path without its query. */
function pathSizeOf(path: usize, size: u32): u32 {
  let pathSize: u32 = 0;
  while (pathSize < size && load<u8>(path + pathSize) !== QUESTION_MARK) pathSize++;
  return pathSize;
}

function sendNoSuchPath(): u32 {
  return sendError(404, "no such path: see ARCHITECTURE.md, The table's protocol");
}

function sendWrongMethod(): u32 {
  beginError();
  addText("this path takes ");
  addText(routeMethod);
  return sendBegunError(405);
}

/** Answers, or stops to wait for the body. `size` includes the query. */
function answerHeaders(method: usize, methodSize: u32, path: usize, size: u32, isAll: bool): u32 {
  const pathSize = pathSizeOf(path, size);
  if (!findRoute(path, pathSize)) return sendNoSuchPath();
  if (!isText(method, methodSize, routeMethod)) return sendWrongMethod();
  if (!takesBody) return routeAnswer(path + pathSize, size - pathSize);
  return isAll ? routeAnswer(0, 0) : ACTION_STOP;
}

/** Starts a request: answers it by its headers alone, or returns ACTION_STOP to get its body. */
export function proxy_on_request_headers(_contextId: u32, _count: u32, endOfStream: u32): u32 {
  const method = readRequestHeader(methodName, METHOD.length);
  const methodSize = method === 0 ? 0 : returnedSize();
  const path = readRequestHeader(pathName, PATH.length);
  const pathSize = path === 0 ? 0 : returnedSize();
  const action = answerHeaders(method, methodSize, path, pathSize, endOfStream !== 0);
  release(method);
  release(path);
  return action;
}

function sendTooLong(): u32 {
  count(framesRefusedTotal);
  beginError();
  addText("the frame is over MAX_FRAME_BYTES (");
  addNumber(MAX_FRAME_BYTES);
  addText(")");
  return sendBegunError(413);
}

/** The whole body is there. */
function answerBody(size: u32): u32 {
  const body: usize = size === 0 ? 0 : readRequestBody(size);
  const action = routeAnswer(body, size);
  release(body);
  return action;
}

/** Called only if the headers got no answer: a body, `size` bytes so far. */
export function proxy_on_request_body(_contextId: u32, size: u32, endOfStream: u32): u32 {
  if (size > MAX_FRAME_BYTES) return sendTooLong();
  if (endOfStream === 0) return ACTION_STOP;
  const path = readRequestHeader(pathName, PATH.length);
  const isKnown = findRoute(path, pathSizeOf(path, path === 0 ? 0 : returnedSize()));
  release(path);
  return isKnown ? answerBody(size) : sendNoSuchPath();
}
