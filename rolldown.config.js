// The bundle that ships, build/portico: controller/cli/main.ts and what it imports, for Node.
//
// Node keeps a program's text in memory, at two bytes a character if a single one is beyond Latin 1.
// So comments and white space go, names stay for those who read a stack trace, and what is not
// ASCII is escaped: 3.5 MB of text and not 10.5.
//
// A Node that is too old has to come as far as controller/system/node-version.ts, which says so. It links
// all imports before it runs a line, and ends at a name that a module of its own does not export
// yet. So names are taken from the modules themselves, where a missing one is undefined. The modules
// are asked for and not imported: an import reads all that a module exports, and so loads what Node
// itself loads only when it is used, such as undici behind node:http (3.5 MB, 50 ms of CPU).

/** @type {import("rolldown").RolldownOptions} */
export default {
  input: "controller/cli/main.ts",
  platform: "node",
  logLevel: "warn",
  output: {
    file: "build/portico",
    format: "esm",
    minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
  },
  plugins: [
    { name: "node-names", generateBundle: (_options, bundle) => changeAll(bundle, unlinked) },
    { name: "ascii", generateBundle: (_options, bundle) => changeAll(bundle, escapedText) },
  ],
};

function changeAll(bundle, change) {
  for (const file of Object.values(bundle)) {
    if (file.type === "chunk") file.code = change(file.code);
  }
}

/** `import x,{a,b as c}from"node:x"` becomes a call for the module, and variables. */
function unlinked(code) {
  let count = 0;
  return code.replace(
    /\bimport(?:\s*([\w$]+)\s*,?)?\s*(?:\{([^}]*)\})?\s*from\s*("node:[^"]+");/g,
    (_statement, given, names, from) => {
      const module = given ?? `node$${count++}`;
      const variables = names ? `var{${names.replace(/\s+as\s+/g, ":")}}=${module};` : "";
      return `var ${module}=process.getBuiltinModule?.(${from})??{};${variables}`;
    },
  );
}

function escapedText(code) {
  return code.replace(/[^\n\r\t -~]/g, escaped);
}

/** Of one UTF-16 code unit; means the same in a string, a template and a regular expression. */
function escaped(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
