import assert from "node:assert/strict";
import { test } from "node:test";

import { Rate } from "../../../api/explorer/static/live/rate.js";
import { joinedRows } from "../../../api/explorer/static/live/rows.js";
import { LiveSession } from "../../../api/explorer/static/live/session.js";
import { lagText, stateText } from "../../../api/explorer/static/live/texts.js";
import { Trouble } from "../../../api/explorer/static/service.js";
import { AT, event, frame, service } from "./event_streams.js";

test("rows are sorted, each once, and the oldest are dropped and counted", () => {
  const first = joinedRows([], [event(1), event(3), event(2)], 3);
  assert.deepEqual(
    first.rows.map(({ message }) => message),
    ["é 3", "é 2", "é 1"],
  );
  const second = joinedRows(first.rows, [event(3), event(5), event(4)], 3);
  assert.deepEqual(
    second.rows.map(({ message }) => message),
    ["é 5", "é 4", "é 3"],
  );
  assert.equal(second.dropped, 2);
});

/** @param {LiveSession} session @param {() => boolean} isTrue */
async function until(session, isTrue) {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    session.flush();
    if (isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("not in time");
}

test("what comes while paused or scrolled away waits, and then all of it is shown", async () => {
  const { open } = service([{ text: AT + frame(1) + frame(2), stays: true }]);
  const session = new LiveSession({ open, onChange: () => undefined });
  session.setAway(true);
  session.start();
  await until(session, () => session.held.waiting.length === 2);
  assert.equal(session.held.rows.length, 0);
  session.pause(true);
  session.setAway(false);
  assert.equal(session.flush().rows.length, 0);
  session.pause(false);
  assert.equal(session.flush().rows.length, 2);
  session.stop();
});

test("when too much waits, reading stops; once it is shown it goes on there, with no gap", async () => {
  const frames = Array.from({ length: 12 }, (_, number) => frame(number));
  const { open, asked } = service([
    { text: AT + frames.slice(0, 10).join(""), stays: true },
    { text: AT + frames.slice(10).join(""), stays: true },
  ]);
  const session = new LiveSession({ open, onChange: () => undefined, most: 10 });
  session.pause(true);
  session.start();
  await until(session, () => session.held.state.kind === "full");
  assert.equal(session.held.waiting.length, 10);
  session.pause(false);
  await until(session, () => session.held.rows.length === 10 && session.held.dropped === 2);
  assert.equal(asked[1]?.after, "after-9");
  session.stop();
});

test("a skip says how much was left out, and begins the rows anew", async () => {
  const { open, asked } = service([
    { text: AT + frame(1), stays: true },
    { text: `id: now\nevent: skipped\ndata: {"missed":41}\n\n${AT}${frame(9)}`, stays: true },
  ]);
  const session = new LiveSession({ open, onChange: () => undefined });
  session.start();
  await until(session, () => session.held.rows.length === 1);
  session.start({ skip: true });
  await until(session, () => session.held.skipped === 41 && session.held.rows.length === 1);
  assert.deepEqual(asked[1], { after: "after-1", skip: true });
  assert.equal(session.held.rows[0].message, "é 9");
  assert.equal(session.held.begun, 2);
  session.stop();
});

test("what is erased leaves the rows and what waits, and pages are read again", async () => {
  const erased = JSON.stringify({ events: [event(1), event(3)].map(({ id }) => ({ id })) });
  const text = `${AT}${frame(1)}${frame(2)}${frame(3)}event: erased\ndata: ${erased}\n\n`;
  const { open } = service([{ text, stays: true }]);
  const session = new LiveSession({ open, onChange: () => undefined });
  session.start();
  await until(session, () => session.held.begun === 2);
  assert.deepEqual(
    [...session.held.rows, ...session.held.waiting].map(({ message }) => message),
    ["é 2"],
  );
  session.stop();
});

test("the rate is of the last ten seconds, and unknown at first", () => {
  const rate = new Rate(0);
  rate.add(50, 500);
  assert.equal(rate.perSecond(900), null);
  assert.equal(rate.perSecond(2000), 25);
  rate.add(50, 9500);
  assert.equal(rate.perSecond(12_000), 5);
});

test("the view says when it lags, and why nothing comes", () => {
  assert.equal(lagText({ lag_seconds: null, behind: null, trouble: null }), "");
  assert.match(lagText({ lag_seconds: 61.2, behind: 0, trouble: null }), /61 s/);
  assert.match(lagText({ lag_seconds: 0, behind: 1200, trouble: null }), /1,200 batches/);
  const trouble = "PostgreSQL is away.";
  /** @type {any} */
  const live = { state: { kind: "open" }, at: { lag_seconds: 0, behind: 0, trouble }, begun: 1 };
  assert.deepEqual(stateText(live), { tone: "bad", text: trouble });
  const errors = [{ detail: "q has a relative date" }];
  live.state = {
    kind: "stopped",
    trouble: new Trouble(422, { detail: "Not understood.", errors }),
  };
  assert.deepEqual(stateText(live), { tone: "bad", text: "q has a relative date" });
});

test("a view that begins anew forgets its place and its rows, and takes a new moment", async () => {
  const { open, asked } = service([
    { text: AT + frame(1), stays: true },
    { text: AT + frame(7), stays: true },
  ]);
  const session = new LiveSession({ open, onChange: () => undefined });
  session.start();
  await until(session, () => session.held.rows.length === 1);
  session.startAnew();
  await until(session, () => session.held.rows.length === 1 && session.held.begun === 2);
  assert.equal(session.held.rows[0].message, "é 7");
  assert.equal(asked[1]?.after, null);
  session.stop();
});
