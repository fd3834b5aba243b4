import { expect, it } from "vitest";
import { TestClock } from "../watch/list-watch-test-server.ts";
import { type DescriptorsLeft, watchDescriptors } from "./descriptors.ts";

function watched(): { look: (found: DescriptorsLeft) => string[]; end: () => void } {
  const clock = new TestClock(0);
  let found: DescriptorsLeft = { limit: 1024, left: 900 };
  let reported: string[] = [];
  const end = watchDescriptors({
    clock,
    report: (problems) => {
      reported = problems;
    },
    read: () => found,
  });
  const look = (now: DescriptorsLeft) => {
    found = now;
    expect(clock.fire(1_000)).toBe(true);
    return reported;
  };
  return { look, end };
}

it("reports that few are left, in one sentence that stays the same", () => {
  const { look } = watched();
  expect(look({ limit: 1024, left: 900 })).toEqual([]);
  const [few = ""] = look({ limit: 1024, left: 31 });
  expect(few).toMatch(/^fewer than 48 descriptors of 1024 are left .*LimitNOFILE=/);
  expect(look({ limit: undefined, left: 0 })).toEqual([few]);
  expect(look({ limit: 1024, left: 40 })).toEqual([few]);
  expect(look({ limit: 1024, left: 48 })).toEqual([]);
  expect(look({ limit: 1024, left: 40 })).toEqual([]);
});

it("says that there are few when not even the limit can be read", () => {
  const { look } = watched();
  expect(look({ limit: undefined, left: 0 })).toEqual([
    expect.stringMatching(/^fewer than 48 descriptors are left/),
  ]);
});

it("reads what this process has", () => {
  const clock = new TestClock(0);
  const reported: string[][] = [];
  const end = watchDescriptors({ clock, report: (problems) => reported.push(problems) });
  expect(clock.fire(1_000)).toBe(true);
  expect(reported).toEqual([[]]);
  end();
  expect(clock.fire(1_000)).toBe(false);
});
