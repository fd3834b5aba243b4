import fc from "fast-check";
import { expect, it } from "vitest";
import { editDistance, nearest, nearness } from "./near-text.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9]{3,15}$/);

it("counts letters that were added, dropped, replaced or swapped", () => {
  expect(editDistance("orders-api", "orders-api")).toBe(0);
  expect(editDistance("orders-api", "order-api")).toBe(1);
  expect(editDistance("orders-api", "ordres-api")).toBe(1);
  expect(editDistance("web", "")).toBe(3);
  expect(editDistance("kitten", "sitting")).toBe(3);
});

it("is a distance: the same both ways, 0 only for the same, never more than the longer", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      expect(editDistance(b, a)).toBe(distance);
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
    }),
  );
});

it("takes a text with one slip of the fingers for the text", () => {
  fc.assert(
    fc.property(name, fc.nat(), fc.constantFrom("drop", "swap", "add"), (text, where, slip) => {
      const at = where % (text.length - 1);
      const [before, after] = [text.slice(0, at), text.slice(at)];
      const slipped = {
        drop: before + after.slice(1),
        swap: before + after[1] + after[0] + after.slice(2),
        add: `${before}x${after}`,
      }[slip];
      if (slipped !== text) expect(nearness(text, slipped)).toBe(1);
      expect(nearest(slipped, [text, text])).toEqual(slipped === text ? [] : [text]);
    }),
  );
});

it("knows words that were added or left out, and takes nothing far for near", () => {
  expect(nearness("orders", "orders-api")).toBeDefined();
  expect(nearness("shop-api", "shop-orders-api-v2")).toBeDefined();
  expect(nearness("Web", "web")).toBe(1);
  expect(nearness("web", "db")).toBeUndefined();
  expect(nearness("a", "b")).toBeUndefined();
  expect(nearness("api", "rapid")).toBeUndefined();
  expect(nearest("orders-api", ["payments", "orders", "order-api", "web"])).toEqual([
    "order-api",
    "orders",
  ]);
});
