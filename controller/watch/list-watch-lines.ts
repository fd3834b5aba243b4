// A stream of bytes → its lines. Holds one line at a time, never the whole stream.

import { garbledAnswer } from "../kubeconfig/api-failure.ts";

/** A Kubernetes object has at most 1.5 MiB in etcd; as JSON it is longer. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

const NEWLINE = 0x0a;

/**
 * Yields the complete lines without their newline, except empty ones. Drops what follows the last
 * newline: a stream that ends there was cut. Throws an ApiFailure for a line over MAX_LINE_BYTES.
 */
export async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pieces: Uint8Array[] = [];
  let pieceBytes = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      pieces.push(chunk.subarray(start, end));
      const line = Buffer.concat(pieces).toString("utf8");
      pieces = [];
      pieceBytes = 0;
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start === chunk.length) continue;
    pieces.push(chunk.subarray(start));
    pieceBytes += chunk.length - start;
    if (pieceBytes > MAX_LINE_BYTES) {
      throw garbledAnswer(`The API server sent a line of over ${MAX_LINE_BYTES} bytes.`);
    }
  }
}
