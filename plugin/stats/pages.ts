// The lasting counts per Service: pages of entries (wire/stats-layout.ts) in shared data, to which
// all workers add by compare-and-set. They outlive the code that counted.
//
// An entry is made at the first count, and dropped when the controller reports that its Service is
// gone (forgetEntry). It is never removed while a connection is open, so opened and closed agree
// whatever Services come and go.

import { STATUS_CAS_MISMATCH, STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { STATS_PAGE_KEY_BYTES, statsPageKey } from "../table/keys";
import { hashBytes } from "../table/record";
import { HASH_OFFSET_BASIS } from "../wire/layout";
import {
  MAX_STATS_PAGE_ENTRIES,
  STATS_CLOSED,
  STATS_ENTRY_BYTES,
  STATS_HEADER_BYTES,
  STATS_KEY_BYTES,
  STATS_LIMITED,
  STATS_LIMITED_NEW,
  STATS_MAGIC,
  STATS_NO_BACKEND,
  STATS_NUMBER_COUNT,
  STATS_NUMBER_COUNT_OFFSET,
  STATS_OPENED,
  STATS_PAGE_COUNT,
  STATS_VERSION,
  STATS_VERSION_OFFSET,
} from "../wire/stats-layout";

/** How often other workers may write a page between reading and writing it here. */
const ATTEMPTS: u32 = 64;

/** The key of what did not fit. */
const otherKey: usize = memory.data(STATS_KEY_BYTES);

/** Returns one of an entry's numbers, by its STATS_ index. */
export function numberOf(entry: usize, index: u32): u64 {
  return load<u64>(entry + STATS_KEY_BYTES + index * 8);
}

/** Adds to one of an entry's numbers, by its STATS_ index; it wraps at 2^64. */
export function addNumber(entry: usize, index: u32, by: u64): void {
  store<u64>(entry + STATS_KEY_BYTES + index * 8, numberOf(entry, index) + by);
}

/** Adds each number of an entry. */
export function addNumbers(to: usize, from: usize): void {
  for (let i: u32 = 0; i < STATS_NUMBER_COUNT; i++) addNumber(to, i, numberOf(from, i));
}

function pageOfKey(key: usize): u32 {
  return hashBytes(key, STATS_KEY_BYTES, HASH_OFFSET_BASIS) & (STATS_PAGE_COUNT - 1);
}

/** Returns the address of the entry with this key; 0 when the page has none. */
function findEntry(page: usize, end: usize, key: usize): usize {
  for (let entry = page; entry + STATS_ENTRY_BYTES <= end; entry += STATS_ENTRY_BYTES) {
    if (memory.compare(entry, key, STATS_KEY_BYTES) === 0) return entry;
  }
  return 0;
}

/** A page that was read, to change and write: with room for one more entry. */
let page: usize = 0;
let pageBytes: u32 = 0;
let pageCas: u32 = 0;

function readPage(number: u32): u32 {
  const status = readShared(statsPageKey(number), STATS_PAGE_KEY_BYTES);
  if (status !== STATUS_OK) return status;
  const value = returnedBytes();
  // A page that is not a row of entries was not written by this version: start with none.
  pageBytes = returnedSize() % STATS_ENTRY_BYTES === 0 ? returnedSize() : 0;
  pageCas = returnedCas();
  page = allocate(pageBytes + STATS_ENTRY_BYTES);
  memory.copy(page, value, pageBytes);
  release(value);
  return STATUS_OK;
}

function writePage(number: u32): u32 {
  return writeShared(statsPageKey(number), STATS_PAGE_KEY_BYTES, page, pageBytes, pageCas);
}

function appendEntry(key: usize): usize {
  const entry = page + pageBytes;
  memory.copy(entry, key, STATS_KEY_BYTES);
  memory.fill(entry + STATS_KEY_BYTES, 0, STATS_ENTRY_BYTES - STATS_KEY_BYTES);
  pageBytes += STATS_ENTRY_BYTES;
  return entry;
}

/**
 * Returns the page's entry for what was counted: its own; or the one of all others, if there is no
 * room for a new one, or if the start of what ended was not counted there.
 */
function entryFor(counted: usize): usize {
  const own = findEntry(page, page + pageBytes, counted);
  if (own !== 0) return own;
  const begins =
    (numberOf(counted, STATS_OPENED) |
      numberOf(counted, STATS_NO_BACKEND) |
      numberOf(counted, STATS_LIMITED) |
      numberOf(counted, STATS_LIMITED_NEW)) !==
    0;
  const hasRoom = pageBytes < MAX_STATS_PAGE_ENTRIES * STATS_ENTRY_BYTES;
  if (begins && hasRoom) return appendEntry(counted);
  const other = findEntry(page, page + pageBytes, otherKey);
  return other === 0 ? appendEntry(otherKey) : other;
}

/** Adds the counts since the last time. False when the host fails: then they are lost. */
export function mergeEntry(counted: usize): bool {
  const number = pageOfKey(counted);
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    if (readPage(number) !== STATUS_OK) return false;
    addNumbers(entryFor(counted), counted);
    status = writePage(number);
    release(page);
  }
  return status === STATUS_OK;
}

/** Removes the entry from the page that was read. False when it is missing, or in use. */
function removeEntry(key: usize): bool {
  const end = page + pageBytes;
  const entry = findEntry(page, end, key);
  if (entry === 0 || numberOf(entry, STATS_OPENED) !== numberOf(entry, STATS_CLOSED)) return false;
  const next = entry + STATS_ENTRY_BYTES;
  memory.copy(entry, next, end - next);
  pageBytes -= STATS_ENTRY_BYTES;
  return true;
}

/** Drops an entry that has no open connection; does nothing where there is none. */
export function forgetEntry(key: usize): void {
  const number = pageOfKey(key);
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    if (readPage(number) !== STATUS_OK) return;
    status = removeEntry(key) ? writePage(number) : STATUS_OK;
    release(page);
  }
}

let answer: usize = 0;
let answerSize: u32 = 0;

/** Returns the answer that dumpPages made; free it with releaseAnswer. */
export function statsAnswer(): usize {
  return answer;
}

/** Returns the size of statsAnswer in bytes. */
export function statsAnswerBytes(): u32 {
  return answerSize;
}

/** Frees the answer; also after dumpPages has failed. */
export function releaseAnswer(): void {
  release(answer);
  answer = 0;
}

/** Appends; the answer is reallocated, each time with twice the size. */
function appendToAnswer(bytes: usize, size: u32, capacity: u32): u32 {
  if (answerSize + size > capacity) {
    capacity = max(capacity * 2, answerSize + size);
    const larger = allocate(capacity);
    memory.copy(larger, answer, answerSize);
    release(answer);
    answer = larger;
  }
  memory.copy(answer + answerSize, bytes, size);
  answerSize += size;
  return capacity;
}

/** Makes the answer with all entries of the pages from `first`. False when the host failed. */
export function dumpPages(first: u32, count: u32): bool {
  let capacity: u32 = 4096;
  answer = allocate(capacity);
  store<u32>(answer, STATS_MAGIC);
  store<u16>(answer + STATS_VERSION_OFFSET, <u16>STATS_VERSION);
  store<u16>(answer + STATS_NUMBER_COUNT_OFFSET, <u16>STATS_NUMBER_COUNT);
  answerSize = STATS_HEADER_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    if (readShared(statsPageKey(first + i), STATS_PAGE_KEY_BYTES) !== STATUS_OK) return false;
    const value = returnedBytes();
    const size = returnedSize();
    if (size % STATS_ENTRY_BYTES === 0) capacity = appendToAnswer(value, size, capacity);
    release(value);
  }
  return true;
}
