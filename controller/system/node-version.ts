// The first import of the command: ends it with a clear message where Node is too old, before any
// import that would fail with a stack trace.

const NEEDED = 24;

if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `portico: needs Node ${NEEDED}, and \`node\` is ${process.version} (${process.execPath}); ` +
      "put a newer one first on PATH, such as node_modules/.bin of the checkout\n",
  );
  process.exit(1);
}
