import assert from "node:assert/strict";
import { test } from "node:test";

import { frameReader } from "../../../api/explorer/static/live/sse.js";
import { Tail } from "../../../api/explorer/static/live/tail.js";
import { Trouble } from "../../../api/explorer/static/service.js";
import { AT, frame, service } from "./event_streams.js";

/**
 * Follow until the answers are used up.
 * @param {Parameters<typeof service>[0]} answers
 */
async function follow(answers) {
  const { asked, open } = service(answers);
  /** @type {any[][]} */
  const [events, states, skipped] = [[], [], []];
  await new Promise((resolve) => {
    const tail = new Tail({
      open: (place, signal) => {
        if (!answers.length) {
          tail.stop();
          resolve(undefined);
        }
        return open(place, signal);
      },
      onEvents: (some) => events.push(...some),
      onAt: () => undefined,
      onSkipped: (missed) => skipped.push(missed),
      onErased: () => undefined,
      onState: (state) => {
        states.push(state);
        if (state.kind === "gone" || state.kind === "stopped") resolve(undefined);
      },
      sleep: async () => undefined,
    });
    void tail.run();
  });
  return { events: events.map((each) => each.message), states, asked, skipped };
}

test("frames come whole, however the text is cut", () => {
  const text = `retry: 1000\n\n${frame(1)}${AT}${frame(2)}id: after-3\ndata: {"never`;
  for (const size of [1, 2, 7, 1000]) {
    const read = frameReader();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...read(text.slice(at, at + size)));
    assert.deepEqual(
      found.map(({ id, event: name }) => [id, name]),
      [
        ["after-1", "message"],
        [null, "at"],
        ["after-2", "message"],
      ],
    );
  }
});

test("after a break the stream goes on behind the last whole event, none twice", async () => {
  const half = frame(3).slice(0, 40);
  const { events, asked } = await follow([
    { text: AT + frame(1) + frame(2) + half, breaks: true },
    { text: frame(3) + frame(4) },
  ]);
  assert.deepEqual(events, ["é 1", "é 2", "é 3", "é 4"]);
  assert.deepEqual(
    asked.map(({ after }) => after),
    [null, "after-2", "after-4"],
  );
});

test("a service that restarts is waited for, as long as it says", async () => {
  const { states, events } = await follow([
    { text: AT + frame(1) },
    new Trouble(503, { detail: "PostgreSQL is away." }, 7),
    new Trouble(0, {}),
    { text: AT + frame(2) },
  ]);
  const waits = states.filter((each) => each.kind === "waiting").map((each) => each.seconds);
  assert.deepEqual(waits, [1, 7, 4, 1]);
  assert.deepEqual(events, ["é 1", "é 2"]);
});

test("what only a person can mend is told, and not asked again", async () => {
  const refused = await follow([new Trouble(403, { detail: "The key lacks the scope read." })]);
  assert.equal(refused.states.at(-1).kind, "stopped");
  assert.equal((await follow([new Trouble(410, {})])).states.at(-1).kind, "gone");
  const told = await follow([{ text: `${AT}event: gone\ndata: {}\n\n`, stays: true }]);
  assert.equal(told.states.at(-1).kind, "gone");
});

test("a silent stream is left, and followed again behind its last event", async () => {
  const { open, asked } = service([{ text: AT + frame(1), stays: true }]);
  await new Promise((resolve) => {
    const tail = new Tail({
      open: (place, signal) => {
        if (asked.length) {
          tail.stop();
          resolve(undefined);
        }
        return open(place, signal);
      },
      onEvents: () => undefined,
      onAt: () => undefined,
      onSkipped: () => undefined,
      onErased: () => undefined,
      onState: () => undefined,
      sleep: async () => undefined,
      silentMs: 50,
    });
    void tail.run();
  });
  assert.deepEqual(
    asked.map(({ after }) => after),
    [null, "after-1"],
  );
});
