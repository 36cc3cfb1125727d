import assert from "node:assert/strict";
import { test } from "node:test";

import { sessionsOf } from "../../../api/explorer/static/person/sessions.js";

/** @param {string} time */
function event(time) {
  const created_at = `2026-11-28T${time}Z`;
  return { id: time, created_at, component: "a", environment: "b", message: "c" };
}

test("a gap of 30 minutes ends a session, a shorter one does not", () => {
  const times = ["12:00:00", "11:30:00.001", "11:00:00.001", "09:00:00"];
  const sessions = sessionsOf(times.map(event));
  assert.deepEqual(
    sessions.map(({ events }) => events.map(({ id }) => id)),
    [["12:00:00", "11:30:00.001"], ["11:00:00.001"], ["09:00:00"]],
  );
  assert.deepEqual(
    sessions.map(({ ms, gapMs }) => [ms, gapMs]),
    [
      [1_799_999, 1_800_000],
      [0, 7_200_001],
      [0, null],
    ],
  );
});

test("no events are no session", () => assert.deepEqual(sessionsOf([]), []));
