import { expect, it } from "vitest";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
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
  expect(few).toMatch(
    /^the controller has fewer than 48 file descriptors of 1024 left: .*LimitNOFILE=/,
  );
  expect(look({ limit: undefined, left: 0 })).toEqual([few]);
  expect(look({ limit: 1024, left: 40 })).toEqual([few]);
  expect(look({ limit: 1024, left: 48 })).toEqual([]);
  expect(look({ limit: 1024, left: 40 })).toEqual([]);
});

it("says that there are few when not even the limit can be read", () => {
  const { look } = watched();
  expect(look({ limit: undefined, left: 0 })).toEqual([
    expect.stringMatching(/^the controller has fewer than 48 file descriptors left/),
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
