// What the checklist is made of: a test of Kubernetes' own, and where here the same is asserted.

/** A test of ours. */
export type Reference =
  /** The title of an it() or test() in a file. */
  | { kind: "test"; file: string; title: string }
  /** A connection case (test/cases), which counts where real Envoy and a real kernel run it. */
  | { kind: "case"; name: string };

/**
 * covered: by all of these. reason: why nothing is to be asserted here. open: what is missing, with
 * what is covered already. A covered entry is open too as long as one of its references is not run.
 */
export type Entry = {
  /** As in the e2e suite, without the prefix of its file's Describe. */
  name: string;
  /** It is in the conformance suite. */
  conformance?: true;
} & (
  | { covered: readonly Reference[]; reason?: never; open?: never }
  | { reason: string; covered?: never; open?: never }
  | { open: string; covered?: readonly Reference[]; reason?: never }
);

/** The e2e tests of one file under kubernetes/test/e2e/network. */
export interface E2eFile {
  file: string;
  entries: readonly Entry[];
}

/** Titles in test/cluster, test/real … : `inFile("cluster/churn")("a title", "another")`. */
export function inFile(path: string): (...titles: string[]) => Reference[] {
  const file = `test/${path}.test.ts`;
  return (...titles) => titles.map((title) => ({ kind: "test", file, title }));
}

export function cases(...names: string[]): Reference[] {
  return names.map((name) => ({ kind: "case", name }));
}
