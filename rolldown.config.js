// The bundle that ships, build/portico: controller/main.ts and what it imports, for Node.
//
// Node keeps a program's text in memory, at two bytes a character if a single one is beyond Latin 1.
// So comments and white space go, names stay for those who read a stack trace, and what is not
// ASCII is escaped: 3.5 MB of text and not 10.5.

/** @type {import("rolldown").RolldownOptions} */
export default {
  input: "controller/main.ts",
  platform: "node",
  logLevel: "warn",
  output: {
    file: "build/portico",
    format: "esm",
    minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
  },
  plugins: [{ name: "ascii", generateBundle: (_options, bundle) => escapeAll(bundle) }],
};

function escapeAll(bundle) {
  for (const file of Object.values(bundle)) {
    if (file.type === "chunk") file.code = file.code.replace(/[^\n\r\t -~]/g, escaped);
  }
}

/** Of one UTF-16 code unit; means the same in a string, a template and a regular expression. */
function escaped(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
