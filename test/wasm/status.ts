// Statuses of proxy-wasm 0.2.1, as a host answers them.

export const STATUS = {
  ok: 0,
  notFound: 1,
  badArgument: 2,
  casMismatch: 8,
  internalFailure: 10,
} as const;
