import assert from "node:assert/strict";
import { test } from "node:test";

import { newerThan, withLive } from "../../../api/explorer/static/live/live_counts.js";
import { barAt, modelOf, spanOf, shownSpan } from "../../../api/explorer/static/histogram/model.js";
import { added, sumOf } from "../../../api/explorer/static/histogram/statistics.js";

/**
 * @param {string} at
 * @param {number} count
 * @param {Record<string, number>} [values]
 */
const bar = (at, count, values) => ({
  at: `2026-11-28T${at}:00Z`,
  count,
  groups: values
    ? {
        values: Object.entries(values).map(([value, number]) => ({ value, count: number })),
        other: 0,
        missing: count - Object.values(values).reduce((sum, each) => sum + each, 0),
      }
    : null,
});

/** @param {ReturnType<typeof bar>[]} bars */
const statsOf = (bars, from = "10:30", to = "13:15") => ({
  from: `2026-11-28T10:30:00Z`,
  to: "2026-11-28T13:15:00Z",
  interval: "hour",
  total: bars.reduce((sum, { count }) => sum + count, 0),
  complete: true,
  covered: { from: `2026-11-28T${from}:00Z`, to: `2026-11-28T${to}:00Z` },
  bars,
  next: null,
});

const BARS = [bar("10:30", 2), bar("11:00", 5), bar("12:00", 0), bar("13:00", 1)];

test("older counts are added to the bars that they share", () => {
  const newer = statsOf([bar("12:00", 3, { a: 2 }), bar("13:00", 4, { b: 4 })], "12:20");
  const older = statsOf(
    [bar("11:00", 1, { c: 1 }), bar("12:00", 9, { a: 3, b: 6 })],
    "11:00",
    "12:20",
  );
  const sum = added(newer, older);
  assert.deepEqual(
    sum.bars.map(({ count }) => count),
    [1, 12, 4],
  );
  assert.equal(sum.total, 17);
  assert.deepEqual([sum.covered.from, sum.covered.to], [older.covered.from, newer.covered.to]);
  assert.deepEqual(sum.bars[1]?.groups, {
    values: [
      { value: "b", count: 6 },
      { value: "a", count: 5 },
    ],
    other: 0,
    missing: 1,
  });
  const apart = added(statsOf([bar("13:00", 4)]), statsOf([bar("12:00", 9)]));
  assert.deepEqual(
    apart.bars.map(({ count }) => count),
    [9, 4],
  );
});

test("all groups of a bar add up to it, also beyond the colours", () => {
  const values = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`v${n}`, 20 - n]));
  const model = modelOf(statsOf([bar("11:00", 200, values), bar("12:00", 4, { v11: 3 })]), null);
  assert.equal(model.groups.length, 9);
  model.counts.forEach((count, n) => {
    const sum = model.parts.reduce((all, part) => all + (part[n] ?? 0), 0);
    assert.equal(sum, count);
  });
  assert.deepEqual(sumOf([]), { values: [], other: 0, missing: 0 });
});

test("the first bar is drawn whole, and told as it is", () => {
  const model = modelOf(statsOf(BARS), null);
  assert.equal(model.starts[0], Date.parse("2026-11-28T10:00:00Z") / 1000);
  assert.deepEqual(
    spanOf(model, 0).map((at) => new Date(at * 1000).toISOString().slice(11, 16)),
    ["10:30", "11:00"],
  );
  assert.equal(spanOf(model, 3)[1], model.to);
  assert.equal(barAt(model, model.to), -1);
  assert.equal(barAt(model, model.to - 1), 3);
  assert.equal(barAt(model, model.from), 0);
});

test("the bars of the period before stand under those of this one, from the right", () => {
  const before = statsOf([bar("07:45", 1), bar("08:00", 2), bar("09:00", 3)]);
  assert.deepEqual(modelOf(statsOf(BARS), before).ghost, [null, 1, 2, 3]);
  assert.deepEqual(modelOf(statsOf(BARS), before, 1).ghost, [1, 2, 3, null]);
});

test("dragging chooses round times within the window", () => {
  const model = modelOf(statsOf(BARS), null);
  const at = (/** @type {string} */ time) => Date.parse(`2026-11-28T${time}Z`) / 1000;
  assert.deepEqual(shownSpan(model, at("11:02:31"), at("12:01:00")), [
    at("11:05:00"),
    at("12:00:00"),
  ]);
  assert.deepEqual(shownSpan(model, at("11:02:31"), at("11:02:32")), [
    at("11:05:00"),
    at("11:10:00"),
  ]);
  assert.deepEqual(shownSpan(model, at("10:00:00"), at("14:00:00")), [model.from, model.to]);
});

test("rows that came live are counted once, in bars that go on", () => {
  const answer = statsOf([bar("12:00", 3, { a: 2 }), bar("13:00", 4, { b: 4 })]);
  const rows = ["15:02:00.000", "13:20:00.500", "13:15:00.000", "13:14:59.999"].map((time, n) => ({
    id: `${n}`,
    created_at: `2026-11-28T${time}Z`,
    component: n === 0 ? "c" : "b",
    environment: "",
    message: "",
  }));
  const newer = newerThan(answer, rows);
  assert.equal(newer.length, 3);
  const sum = withLive(answer, newer, "component", "Europe/Berlin");
  assert.deepEqual(
    sum.bars.map(({ at, count }) => [at.slice(11, 16), count]),
    [
      ["12:00", 3],
      ["13:00", 6],
      ["14:00", 0],
      ["15:00", 1],
    ],
  );
  assert.equal(sum.total, 10);
  assert.equal(sum.to, "2026-11-28T15:02:00.001Z");
  assert.deepEqual(sum.bars[3]?.groups?.values, [{ value: "c", count: 1 }]);
  assert.deepEqual(sum.bars[1]?.groups?.values, [{ value: "b", count: 6 }]);
  assert.equal(withLive(answer, [], "", "UTC"), answer);
  assert.equal(answer.bars.length, 2);
});
