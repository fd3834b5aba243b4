// How many values are on the stack of one function, instruction by instruction, and how deep its
// blocks are. Only counts: V8 checks the types. It bounds what a call may take of the host's stack,
// whose overflow nothing in the module could catch.

import { MAX_BLOCK_DEPTH, MAX_STACK_HEIGHT } from "./limits.ts";
import { refuse } from "./refusal.ts";

interface Block {
  readonly base: number;
  readonly results: number;
  isUnreachable: boolean;
}

export class StackHeight {
  readonly #blocks: Block[];
  #height = 0;
  #highest = 0;

  /** `results`: of the function. */
  constructor(results: number) {
    this.#blocks = [{ base: 0, results, isUnreachable: false }];
  }

  get highest(): number {
    return this.#highest;
  }

  get depth(): number {
    return this.#blocks.length;
  }

  pop(count: number, place: number): void {
    const block = this.#innermost(place);
    this.#height -= count;
    if (this.#height >= block.base) return;
    if (!block.isUnreachable) refuse("its code takes more from the stack than is there", place);
    this.#height = block.base;
  }

  push(count: number, place: number): void {
    this.#height += count;
    this.#highest = Math.max(this.#highest, this.#height);
    if (this.#height > MAX_STACK_HEIGHT) {
      refuse(`an expression has more than ${MAX_STACK_HEIGHT} values at a time`, place);
    }
  }

  open(results: number, place: number): void {
    this.#innermost(place);
    this.#blocks.push({ base: this.#height, results, isUnreachable: false });
    if (this.#blocks.length > MAX_BLOCK_DEPTH) {
      refuse(`blocks are nested more than ${MAX_BLOCK_DEPTH} deep`, place);
    }
  }

  /** The other branch of an `if` starts. */
  restart(place: number): void {
    const block = this.#innermost(place);
    this.#height = block.base;
    block.isUnreachable = false;
  }

  /** What follows in this block is never reached: after a branch, return or throw. */
  leave(place: number): void {
    const block = this.#innermost(place);
    this.#height = block.base;
    block.isUnreachable = true;
  }

  close(place: number): void {
    const block = this.#innermost(place);
    this.#blocks.pop();
    this.#height = block.base;
    this.push(block.results, place);
  }

  #innermost(place: number): Block {
    return this.#blocks.at(-1) ?? refuse("there is code behind its end", place);
  }
}
