// The demo's node → the shell function `portico` that a reader pastes: it runs the command on that
// node, with its run directory where the command takes one. Pure.

/** Those that have --run-dir; `check` and `version` would refuse it. */
const WITH_RUN_DIRECTORY = "bootstrap|cleanup|doctor|drain|envoy|explain|plugin|services|sysctl";

/** One line, for sh and bash. `command`: program and first arguments of `portico`. */
export function shellFunction(
  node: string,
  command: readonly string[],
  runDirectory: string,
): string {
  const add = `case "$1" in ${WITH_RUN_DIRECTORY}) set -- "$@" --run-dir ${runDirectory};; esac`;
  return `portico() { ${add}; ip netns exec ${node} ${command.join(" ")} "$@"; }`;
}
