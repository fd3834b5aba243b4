import fc from "fast-check";
import { expect, it } from "vitest";
import { BackendDifferences, backendDifference, comparePlaces } from "./backend-lists.ts";
import type { Backend } from "./types.ts";

const backend: fc.Arbitrary<Backend> = fc.record({
  address: fc.constantFrom("9.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.10", "fd00::9", "fd00::10"),
  port: fc.constantFrom(80, 443),
  local: fc.boolean(),
});
const list = fc
  .uniqueArray(backend, { selector: ({ address, port }) => `${address} ${port}` })
  .map((all) => all.sort(comparePlaces));

it("finds what went and what came", () => {
  const text = ({ address, port, local }: Backend) => `${address} ${port} ${local}`;
  fc.assert(
    fc.property(list, list, (before, after) => {
      const { gone, come } = backendDifference(before, after);
      const [old, now] = [before.map(text), after.map(text)];
      expect(gone.map(text)).toEqual(old.filter((each) => !now.includes(each)));
      expect(come.map(text)).toEqual(now.filter((each) => !old.includes(each)));
    }),
  );
});

it("compares lists that frontends share once, and absent ones too", () => {
  const differences = new BackendDifferences();
  const one: Backend[] = [{ address: "10.0.0.1", port: 80, local: true }];
  const same = one.map((each) => ({ ...each }));
  expect(differences.areSame(one, same)).toBe(true);
  expect(differences.between(one, same)).toBe(differences.between(one, same));
  expect(differences.between(undefined, same)).toEqual({ gone: [], come: same });
  expect(differences.between(same, undefined)).toEqual({ gone: same, come: [] });
  expect(differences.areSame(undefined, [])).toBe(false);
  expect(differences.areSame(undefined, undefined)).toBe(true);
});
