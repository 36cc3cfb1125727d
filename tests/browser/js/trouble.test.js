import assert from "node:assert/strict";
import { test } from "node:test";

import { Trouble } from "../../../api/explorer/static/service.js";
import {
  adviceOn,
  faultsOf,
  isMarked,
  waitOf,
} from "../../../api/explorer/static/trouble/advice.js";
import { warningsOf } from "../../../api/explorer/static/trouble/health.js";
import { wideningsOf } from "../../../api/explorer/static/trouble/widenings.js";
import { DEFAULTS } from "../../../api/explorer/static/view.js";

/** @type {import("../../../api/explorer/static/trouble/health.js").Health} */
const WELL = { accept: "ready", query: "ready", lag: 0.2 };
const names = (/** @type {any} */ health) => warningsOf(health).map(({ name }) => name);

test("nothing is told of a service that is well, nor of what is not known", () => {
  assert.deepEqual(names(WELL), []);
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ ...WELL, lag: null, shards: null }), []);
});

test("lag over 5 s is told, with how long it is", () => {
  assert.deepEqual(names({ ...WELL, lag: 5 }), []);
  assert.match(warningsOf({ ...WELL, lag: 65 })[0].text, /65 s ago/);
  assert.match(warningsOf({ ...WELL, lag: 600 })[0].text, /10 min ago/);
});

test("a shard that waits is named with its reason, one that is done is not", () => {
  const shard = { shard: 3, backlog: 1200, lag_seconds: 9, last_error: "PostgreSQL is full" };
  const idle = { shard: 4, backlog: 0, lag_seconds: 0, last_error: "an old one" };
  const [found, ...others] = warningsOf({ ...WELL, shards: [shard, idle] });
  assert.match(found.text, /Shard 3 is paused: 1,200 events wait/);
  assert.equal(found.more, "PostgreSQL is full");
  assert.deepEqual(others, []);
});

test("who may observe is told which server is away; others what does not work", () => {
  const servers = { queue: { state: "up" }, control: { state: "down", detail: "no answer" } };
  assert.deepEqual(names({ ...WELL, servers }), ["control"]);
  assert.deepEqual(names({ ...WELL, query: "unavailable" }), ["database"]);
  assert.deepEqual(names({ accept: "unreachable", query: "unreachable" }), ["away"]);
});

test("a panel asks again by itself where that may help, and as late as the service says", () => {
  assert.equal(waitOf(new Trouble(422, {}), 0), null);
  assert.equal(waitOf(new Trouble(500, {}), 0), null);
  assert.equal(waitOf(new Trouble(503, {}, 9), 0), 9);
  assert.deepEqual(
    [0, 1, 2, 9].map((attempts) => waitOf(new Trouble(0, {}), attempts)),
    [2, 4, 8, 30],
  );
  assert.match(adviceOn(new Trouble(504, {})).title, /can't answer now/);
});

test("each fault of a request is told once", () => {
  const errors = [{ detail: "a" }, { detail: "b" }, { detail: "a" }];
  assert.deepEqual(faultsOf(new Trouble(422, { detail: "2 faults", errors })), ["a", "b"]);
  assert.deepEqual(faultsOf(new Trouble(503, { detail: "Busy." })), ["Busy."]);
});

test("a fault in the question is left to the question's field, another one is not", () => {
  const ofQuestion = { detail: "a", parameter: "q", character: 1 };
  const ofTime = { detail: "b", parameter: "from_date" };
  assert.ok(isMarked(new Trouble(422, { errors: [ofQuestion] })));
  assert.ok(!isMarked(new Trouble(422, { errors: [ofQuestion, ofTime] })));
  assert.ok(!isMarked(new Trouble(422, { errors: [] })));
  assert.ok(!isMarked(new Trouble(503, { errors: [ofQuestion] })));
});

test("an empty view can be widened in time, and by each of its last terms", () => {
  const view = { ...DEFAULTS, q: "paid component:billing" };
  assert.deepEqual(
    wideningsOf(view).map(({ changes }) => changes),
    [
      { from: "all", to: "" },
      { q: "paid" },
      { q: "component:billing" },
      { q: "", from: "all", to: "" },
    ],
  );
  assert.deepEqual(wideningsOf({ ...DEFAULTS, from: "all" }), []);
});
