// What all answers of the table endpoint have in common: a small JSON body, assembled in
// host/text.ts, and the errors that several questions share. Every function that sends returns what
// the callback must return: ACTION_STOP, since the request goes no further.

import { ACTION_STOP } from "../abi/codes";
import { answerBytes, answerJson } from "../host/http";
import { addNumber, addText, beginText, textBytes, textSize } from "../host/text";

/** Sends the JSON body that was assembled since beginText. */
export function send(statusCode: u32): u32 {
  answerJson(statusCode, textBytes(), textSize());
  return ACTION_STOP;
}

/** Sends bytes (a frame, a row) with status 200; the caller releases them. */
export function sendBytes(bytes: usize, size: u32): u32 {
  answerBytes(bytes, size);
  return ACTION_STOP;
}

/** Sends "{}" with status 200: the request was carried out. */
export function sendDone(): u32 {
  beginText();
  addText("{}");
  return send(200);
}

/** Starts an error's body; what is added continues its message, which sendBegunError ends. */
export function beginError(): void {
  beginText();
  addText('{"error":"');
}

/** Ends the message of a started error, and sends it. */
export function sendBegunError(statusCode: u32): u32 {
  addText('"}');
  return send(statusCode);
}

/** Sends an error with a message that needs no numbers. */
export function sendError(statusCode: u32, message: string): u32 {
  beginError();
  addText(message);
  return sendBegunError(statusCode);
}

/** Refuses a query that must name some of the things numbered from 0 to total - 1. */
export function sendRangeError(wanted: string, total: u32): u32 {
  beginError();
  addText(wanted);
  addText(" 0 to ");
  addNumber(total - 1);
  addText(", N from 1");
  return sendBegunError(400);
}

/** Answers for a body that the host announced but did not provide. */
export function sendUnreadable(): u32 {
  return sendError(500, "the request's body cannot be read");
}
