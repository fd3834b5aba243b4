// What a piece of code reads of collections, counted: so a test says how its work grows, without a
// clock.

/** Methods of arrays that look at every item. */
const WHOLE_ARRAY = ["every", "filter", "flatMap", "forEach", "map", "some", "sort"] as const;
const ITERATORS = ["entries", "keys", "values", Symbol.iterator] as const;

/**
 * Returns how many entries of maps and sets `work` iterates over, and how many items of arrays it
 * has methods look at. What it looks up by a key is not counted.
 */
export async function countReads(work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const undo = [
    ...[Map.prototype, Set.prototype].flatMap((prototype) => [
      ...ITERATORS.map((name) =>
        replaced(prototype, name, (original) => {
          return function* (this: unknown): Generator<unknown> {
            for (const entry of {
              [Symbol.iterator]: () => original.call(this) as Iterator<unknown>,
            }) {
              count += 1;
              yield entry;
            }
          };
        }),
      ),
      replaced(prototype, "forEach", (original) => {
        return function (this: { size: number }, ...args: unknown[]) {
          count += this.size;
          return original.apply(this, args);
        };
      }),
    ]),
    ...WHOLE_ARRAY.map((name) =>
      replaced(Array.prototype, name, (original) => {
        return function (this: unknown[], ...args: unknown[]) {
          count += this.length;
          return original.apply(this, args);
        };
      }),
    ),
  ];
  try {
    await work();
  } finally {
    for (const each of undo) each();
  }
  return count;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Returns what puts the method back. */
function replaced(
  prototype: object,
  name: string | symbol,
  by: (original: Method) => unknown,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
  Object.defineProperty(prototype, name, { ...descriptor, value: by(descriptor.value as Method) });
  return () => void Object.defineProperty(prototype, name, descriptor);
}
