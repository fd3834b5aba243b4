// The present HTTP request, and its answer.

import {
  BUFFER_HTTP_REQUEST_BODY,
  MAP_HTTP_REQUEST_HEADERS,
  NO_GRPC_STATUS,
  STATUS_OK,
} from "../abi/codes";
import { proxy_get_header_map_value, proxy_send_local_response } from "../abi/env";
import { clearReturned, OUT_BYTES, OUT_SIZE, returnedBytes } from "../abi/memory";
import { readBuffer } from "./buffer";

const CONTENT_TYPE = "content-type";
const JSON_TYPE = "application/json";
const BYTES_TYPE = "application/octet-stream";
const jsonHeaders: usize = contentTypeHeaders(JSON_TYPE);
const bytesHeaders: usize = contentTypeHeaders(BYTES_TYPE);

/** Returns a header map with one header in the host's form: count, sizes, then NUL-ended texts. */
function contentTypeHeaders(type: string): usize {
  const bytes = heap.alloc(headersSize(type));
  store<u32>(bytes, 1);
  store<u32>(bytes + 4, CONTENT_TYPE.length);
  store<u32>(bytes + 8, type.length);
  let at = bytes + 12;
  for (let i = 0; i < CONTENT_TYPE.length; i++) store<u8>(at++, <u8>CONTENT_TYPE.charCodeAt(i));
  store<u8>(at++, 0);
  for (let i = 0; i < type.length; i++) store<u8>(at++, <u8>type.charCodeAt(i));
  store<u8>(at, 0);
  return bytes;
}

function headersSize(type: string): u32 {
  return 12 + CONTENT_TYPE.length + 1 + type.length + 1;
}

/** Returns the address of the value (size: returnedSize), for `release`; 0 when absent or empty. */
export function readRequestHeader(name: usize, nameSize: u32): usize {
  clearReturned();
  const status = proxy_get_header_map_value(
    MAP_HTTP_REQUEST_HEADERS,
    name,
    nameSize,
    OUT_BYTES,
    OUT_SIZE,
  );
  return status === STATUS_OK ? returnedBytes() : 0;
}

/** Returns the first `size` bytes of the body, for `release`; 0 when the host has fewer. */
export function readRequestBody(size: u32): usize {
  return readBuffer(BUFFER_HTTP_REQUEST_BODY, size);
}

/** Answers the present request with a JSON body, which stays the caller's. */
export function answerJson(statusCode: u32, body: usize, size: u32): void {
  const headersBytes = headersSize(JSON_TYPE);
  proxy_send_local_response(
    statusCode,
    0,
    0,
    body,
    size,
    jsonHeaders,
    headersBytes,
    NO_GRPC_STATUS,
  );
}

/** Answers the present request with status 200 and bytes, which stay the caller's. */
export function answerBytes(body: usize, size: u32): void {
  const headersBytes = headersSize(BYTES_TYPE);
  proxy_send_local_response(200, 0, 0, body, size, bytesHeaders, headersBytes, NO_GRPC_STATUS);
}
