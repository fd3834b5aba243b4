// Half-open: once the time of an ejected backend is over, one connection tries it, of all workers:
// the one that picks it first, and claims it by compare-and-set. All others leave the backend alone
// until it is known how that went (outcomes.ts), or the claim is too old: the connection may end
// unseen.

import { EJECT_LONGEST_SECONDS, EJECT_PROBED } from "../wire/eject-layout";
import { changeEntries, Entry, entryAt, entryCount, isActive, isForAll, SECOND } from "./entries";
import { isOfBackend, isOfClient, setBackend } from "./subject";

/** How long a claim counts: longer than one attempt. */
let claimTime: u64 = 2 * SECOND;
let now: u64 = 0;

/** Sets how long Envoy's attempts last, ms. */
export function setClaimTime(attemptMilliseconds: u32): void {
  const most = EJECT_LONGEST_SECONDS * SECOND;
  claimTime = min(<u64>attemptMilliseconds * (SECOND / 1000) + SECOND, most);
}

function counts(entry: Entry): bool {
  return entry.strikes !== 0 && isOfBackend(entry) && (isForAll(entry) || isOfClient(entry));
}

function isDue(entry: Entry): bool {
  return counts(entry) && !isActive(entry, now);
}

function someDue(): bool {
  for (let i: u32 = 0; i < entryCount(); i++) if (isDue(entryAt(i))) return true;
  return false;
}

function someActive(): bool {
  for (let i: u32 = 0; i < entryCount(); i++) {
    if (counts(entryAt(i)) && isActive(entryAt(i), now)) return true;
  }
  return false;
}

/** The entries were just read, and another connection may have claimed what was due. */
function claim(): bool {
  if (someActive()) return false;
  let isClaimed = false;
  for (let i: u32 = 0; i < entryCount(); i++) {
    const entry = entryAt(i);
    if (!isDue(entry)) continue;
    entry.until = now + claimTime;
    entry.flags |= <u8>EJECT_PROBED;
    isClaimed = true;
  }
  return isClaimed;
}

/**
 * The connection would be given this backend, in the form of a record. False when it must take
 * another: the backend's time was over, and another connection tries it now.
 */
export function mayTake(family: u32, backend: usize, at: u64): bool {
  setBackend(family, backend);
  now = at;
  return !someDue() || changeEntries(at, claim) || !someActive();
}
