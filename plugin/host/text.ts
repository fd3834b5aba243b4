// Short ASCII texts in linear memory, without managed strings: names for the host, and one buffer
// to assemble a message or a small JSON body. A literal is static UTF-16 and costs no allocation.

import { allocate } from "../abi/memory";

/** The longest text; more is cut. The longest in use, a refusal, has some 400 bytes. */
const CAPACITY: u32 = 1024;
const buffer: usize = memory.data(CAPACITY);
let size: u32 = 0;

/** Writes the (ASCII) text, text.length bytes. */
export function writeAscii(text: string, out: usize): void {
  for (let i = 0; i < text.length; i++) store<u8>(out + i, <u8>text.charCodeAt(i));
}

/** Returns the text's bytes, text.length of them, never freed: for names, when the VM starts. */
export function lastingAscii(text: string): usize {
  const bytes = allocate(text.length);
  writeAscii(text, bytes);
  return bytes;
}

/** Reports whether the bytes are exactly the (ASCII) text. */
export function isText(bytes: usize, bytesSize: u32, text: string): bool {
  if (bytesSize !== <u32>text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (load<u8>(bytes + i) !== <u8>text.charCodeAt(i)) return false;
  }
  return true;
}

/** Empties the buffer; what textBytes returned before is invalid. */
export function beginText(): void {
  size = 0;
}

/** Adds a byte; nothing once CAPACITY is reached. */
export function addByte(byte: u8): void {
  if (size < CAPACITY) store<u8>(buffer + size++, byte);
}

/** Adds an ASCII literal. */
export function addText(text: string): void {
  for (let i = 0; i < text.length; i++) addByte(<u8>text.charCodeAt(i));
}

/** Adds bytes unchanged. */
export function addBytes(bytes: usize, bytesSize: u32): void {
  for (let i: u32 = 0; i < bytesSize; i++) addByte(load<u8>(bytes + i));
}

/** Adds a number in decimal digits. */
export function addNumber(value: u64): void {
  if (value >= 10) addNumber(value / 10);
  addByte(<u8>(0x30 + (value % 10)));
}

/** Returns the address of the text; valid until beginText. */
export function textBytes(): usize {
  return buffer;
}

/** Returns the text's size in bytes. */
export function textSize(): u32 {
  return size;
}
