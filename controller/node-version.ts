// The first import of the command: ends it with a clear line where Node is too old, before anything
// that would fail with a stack trace is read.

const NEEDED = 24;

if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `portico: needs Node ${NEEDED}, and \`node\` is ${process.version} (${process.execPath}); ` +
      "put a newer one first on PATH, such as node_modules/.bin of the checkout\n",
  );
  process.exit(1);
}
