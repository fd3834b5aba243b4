// asc's text → faults with their places, and for what TypeScript has and asc lacks, what to write
// instead. asc often only says that it expected another token.

export interface Fault {
  /** From 1; 0 where no line is to blame. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What to write; undefined where asc's message says it. */
  readonly hint: string | undefined;
}

const FOR_OF = "there is no for…of: write `for (let i = 0; i < list.length; i++)` and `list[i]`";
const NO_PICK =
  "export function pick(connection: Connection, backends: Backends): Backend | null {";

/** By what stands in the line of the fault, the most specific first. */
const BY_LINE: readonly (readonly [RegExp, string])[] = [
  [/\?\?=?/, "there is no `??`: write `x !== null ? x : other`"],
  [/\?\./, "there is no `?.`: compare with null first: `if (x !== null) x.y`"],
  [/\bfor\s*\(\s*(const|let|var)\s+[^;]*\sof\s/, FOR_OF],
  [
    /\bfor\s*\(\s*(const|let|var)\s+[^;]*\sin\s/,
    "there is no for…in: use an array or a Map, and its `keys()`",
  ],
  [
    /\b(try|catch|finally)\b/,
    "there is no try and catch: a failing check ends the pick, and the built-in pick is used",
  ],
  [/\b(async|await)\b/, "there is no async: a pick is over at once"],
  [/\b(const|let|var)\s*[{[]/, "there is no destructuring: write one variable at a time"],
  [/\.\.\./, "there is no spread: pass or copy the items one at a time"],
  [/\|\|=|&&=/, "there is no `||=` and `&&=`: write an `if`"],
  [/\bfunction\s*\*|\byield\b/, "there are no generators: write a loop"],
  [/:\s*any\b|\bunknown\b/, "there is no any: name the type, such as i32, f64, bool or Backend"],
  [/\b\d+n\b/, "there are no bigints: u64 has 64 bits"],
  [/\bJSON\b/, "there is no JSON: numbers come in as parameters, `export let share: i32 = 10`"],
  [/#\w+/, "there is no `#`: write `private`"],
  [/\.(map|reduce)\(/, "name the type of the result: `list.map<i32>(…)`"],
  [/=\s*\/.+\//, "there are no regular expressions: use `includes`, `startsWith` or `charCodeAt`"],
  [
    /\b(string|number|i32|f64|bool)\s*\|\s*(string|number|i32|f64|bool)\b/,
    "a type is one type, or one with null: `Backend | null`",
  ],
];

/** By asc's message. */
const BY_MESSAGE: readonly (readonly [RegExp, string])[] = [
  [
    /Closures|is used before being assigned/,
    "an arrow function cannot use variables around it: write a loop, or pass them as parameters",
  ],
  [/Iterators/, FOR_OF],
  [/no exported member 'pick'/, `a function's file has to have: ${NO_PICK}`],
  [/requires an explicit cast/, "write the conversion: `i32(x)`, `f64(x)`"],
  [/[Oo]bject is possibly 'null'/, "compare with null first: `if (x !== null) …`"],
  [/not assignable to type '.*Backend'/, "the value may be null: compare with null first"],
  [
    /Cannot find name '(setTimeout|fetch|process|require|Buffer)'/,
    "a function has the API only: no network, no files, no timers",
  ],
  [
    /Cannot find name '(undefined|NaN)'/,
    "there is no undefined: use null, or a number that stands for nothing",
  ],
  [/has no overload|Expected \d+ arguments/, "see portico.d.ts for what it takes"],
];

const FAULT = /^ERROR (?<code>(?:TS|AS)\d+): (?<message>.*)$/;
const PLACE = /in (?<file>[^\s(]+)\((?<line>\d+),(?<column>\d+)\)/;

/** Returns the faults of the author's file, and one without a line where asc names none. */
export function faultsFrom(text: string, source: string): Fault[] {
  const lines = source.split("\n");
  const blocks = text.split(/^(?=ERROR )/m).filter((block) => block.startsWith("ERROR "));
  const faults = blocks.map((block) => faultFrom(block, lines));
  if (faults.length > 0) return unique(faults);
  const message = text.trim() || "asc gives no reason";
  return [{ line: 0, column: 0, message, hint: undefined }];
}

function faultFrom(block: string, lines: readonly string[]): Fault {
  const [first = ""] = block.split("\n");
  const message = FAULT.exec(first)?.groups?.message ?? first;
  const place = PLACE.exec(block)?.groups;
  const isAuthors = place !== undefined && !place.file?.startsWith("~");
  const line = isAuthors ? Number(place?.line) : 0;
  const column = isAuthors ? Number(place?.column) : 0;
  return { line, column, message, hint: hintFor(message, lines[line - 1] ?? "") };
}

function hintFor(message: string, line: string): string | undefined {
  const byMessage = BY_MESSAGE.find(([pattern]) => pattern.test(message));
  const code = line.replace(/\/\/.*$/, "").replace(/"[^"]*"/g, '""');
  return (byMessage ?? BY_LINE.find(([pattern]) => pattern.test(code)))?.[1];
}

/** A construct that asc does not know causes several faults in its line: the first one counts. */
function unique(faults: readonly Fault[]): Fault[] {
  return faults.filter((fault, index) => {
    const sameLine = faults.findIndex(({ line }) => line === fault.line);
    return fault.line === 0 || sameLine === index;
  });
}
