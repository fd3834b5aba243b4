// CPU and heap profiles of the controller, in V8's formats (.cpuprofile, .heapprofile: Chrome's
// DevTools open them). Only with profiling enabled: profiles cost CPU, and reveal what the process
// does.

import { Session } from "node:inspector/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, JSON_TYPE, TEXT } from "../http/answer.ts";
import type { Route } from "../http/routes.ts";

const DEFAULT_SECONDS = 10;
const MOST_SECONDS = 120;

/** Returns routes with the paths that Go programs use, e.g. /debug/pprof/profile?seconds=5. */
export function profileRoutes(): Record<string, Route> {
  let busy = false;
  const one = (take: (session: Session, seconds: number) => Promise<object>): Route => {
    return async (query) => {
      const seconds = Number(query.get("seconds") ?? DEFAULT_SECONDS);
      if (!(seconds > 0 && seconds <= MOST_SECONDS)) {
        return text(400, `seconds: from 0 to ${MOST_SECONDS}\n`);
      }
      if (busy) return text(409, "another profile is in progress; try again later\n");
      busy = true;
      const session = new Session();
      session.connect();
      try {
        const profile = await take(session, seconds);
        return { status: 200, type: JSON_TYPE, body: JSON.stringify(profile) };
      } finally {
        session.disconnect();
        busy = false;
      }
    };
  };
  return { "/debug/pprof/profile": one(cpuProfile), "/debug/pprof/heap": one(heapProfile) };
}

async function cpuProfile(session: Session, seconds: number): Promise<object> {
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  await delay(seconds * 1_000);
  return (await session.post("Profiler.stop")).profile;
}

/** Samples what is allocated in the meantime and still there at the end. */
async function heapProfile(session: Session, seconds: number): Promise<object> {
  await session.post("HeapProfiler.startSampling");
  await delay(seconds * 1_000);
  return (await session.post("HeapProfiler.stopSampling")).profile;
}

function text(status: number, body: string): Answer {
  return { status, type: TEXT, body };
}
