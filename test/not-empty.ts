// A list that a test asserts something of → the same list, or an error: what is asserted of each of
// none is always true.

/** Returns `list`; throws when it is empty. `what` names it in the message. */
export function notEmpty<Item>(list: Iterable<Item>, what: string): readonly Item[] {
  const items = [...list];
  if (items.length === 0) throw new Error(`there are no ${what} to assert anything of`);
  return items;
}
