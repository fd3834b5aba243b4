// Short ASCII texts in linear memory, without managed strings: names for the host, and one buffer
// in which a message or a small JSON body is put together. A literal is static UTF-16 and costs no
// allocation.

import { allocate } from "../abi/memory";

/** Longest text; what goes over is cut. The longest, a refusal, has some 400 bytes. */
const CAPACITY: u32 = 1024;
const buffer: usize = memory.data(1024);
let size: u32 = 0;

/** The text's bytes, text.length of them, allocated for good: for names, when the VM starts. */
export function lastingAscii(text: string): usize {
  const bytes = allocate(text.length);
  for (let i = 0; i < text.length; i++) store<u8>(bytes + i, <u8>text.charCodeAt(i));
  return bytes;
}

/** Whether the bytes are exactly the (ASCII) text. */
export function isText(bytes: usize, bytesSize: u32, text: string): bool {
  if (bytesSize !== <u32>text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (load<u8>(bytes + i) !== <u8>text.charCodeAt(i)) return false;
  }
  return true;
}

export function beginText(): void {
  size = 0;
}

export function addByte(byte: u8): void {
  if (size < CAPACITY) store<u8>(buffer + size++, byte);
}

export function addText(text: string): void {
  for (let i = 0; i < text.length; i++) addByte(<u8>text.charCodeAt(i));
}

export function addBytes(bytes: usize, bytesSize: u32): void {
  for (let i: u32 = 0; i < bytesSize; i++) addByte(load<u8>(bytes + i));
}

export function addNumber(value: u64): void {
  if (value >= 10) addNumber(value / 10);
  addByte(<u8>(0x30 + (value % 10)));
}

export function textBytes(): usize {
  return buffer;
}

export function textSize(): u32 {
  return size;
}
