import assert from "node:assert/strict";
import { test } from "node:test";

import { eventParams, periodBefore, tailParams } from "../../../api/explorer/static/filters.js";
import {
  durationText,
  formatTime,
  instantAt,
  instantOf,
  rangeText,
} from "../../../api/explorer/static/times.js";
import { DEFAULTS, searchOf, viewOf } from "../../../api/explorer/static/view.js";

const MOMENT = { to: "2026-11-28T12:00:30.500Z", isSettled: true, at: 0 };

test("the URL is the whole view, and defaults are left out", () => {
  assert.equal(searchOf(DEFAULTS), "");
  const view = {
    ...DEFAULTS,
    q: 'component:"a&b" 😀',
    from: "all",
    columns: ["time", 'data."a,b"'],
    widths: { 'data."a,b"': 120.4 },
    facets: [],
    live: true,
  };
  assert.deepEqual(viewOf(searchOf(view)), { ...view, widths: { 'data."a,b"': 120 } });
});

test("what a link says wrongly is as by default", () => {
  const view = viewOf("?by=nothing&order=up&widths=time&unknown=1&live=maybe&page=other");
  assert.deepEqual(view, DEFAULTS);
});

test("a link names no more than the page can ask for, and no other thing in the place of an event", () => {
  const many = Array.from({ length: 5000 }, (_, n) => `data.k${n}`);
  const search = new URLSearchParams([
    ...many.map((name) => ["facets", name]),
    ...many.map((name) => ["columns", name]),
    ...many.map((name) => ["widths", `${name}:90`]),
    ["widths", "__proto__:90"],
    ["widths", "constructor:90"],
  ]);
  const view = viewOf(`?${search}`);
  assert.deepEqual([view.facets.length, view.columns.length], [10, 100]);
  assert.equal(/** @type {any} */ ({})["constructor"], Object);
  for (const event of ["export", "tail", "../admin/keys", "stats?q=", "%2e%2e/session", "x"]) {
    assert.equal(viewOf(`?${new URLSearchParams({ event })}`).event, "");
  }
  const id = "0199a3c0-1111-7222-8333-444455556666";
  assert.equal(viewOf(`?event=${id}`).event, id);
});

test("a day that there is not is left to the service, which says so", () => {
  const view = { ...DEFAULTS, to: "2026-99-99" };
  assert.equal(eventParams(view, MOMENT)?.["to_date"], "2026-99-99");
});

test("all panels ask up to the same moment, and relative times are counted from it", () => {
  assert.equal(eventParams(DEFAULTS, null), null);
  assert.deepEqual(eventParams({ ...DEFAULTS, q: "paid" }, MOMENT), {
    q: "paid",
    from_date: "2026-11-27T12:00:00.000Z",
    to_date: MOMENT.to,
  });
  const closed = { ...DEFAULTS, from: "all", to: "2026-11-28T12:00:00Z" };
  assert.equal(eventParams(closed, MOMENT)?.["to_date"], closed.to);
  assert.equal(eventParams({ ...closed, to: "2026-12-24" }, MOMENT)?.["to_date"], MOMENT.to);
  assert.equal(
    eventParams({ ...closed, to: "2026-11-27" }, MOMENT)?.["to_date"],
    "2026-11-28T00:00:00.000Z",
  );
  const occurred = eventParams({ ...closed, by: "occurred_at" }, MOMENT);
  assert.deepEqual([occurred?.["occurred_to"], occurred?.["to_date"]], [closed.to, MOMENT.to]);
});

test("a window that has ended has no tail", () => {
  assert.deepEqual(tailParams(DEFAULTS, MOMENT), { q: "", from_date: "2026-11-27T12:00:00.000Z" });
  assert.equal(tailParams({ ...DEFAULTS, to: "2026-11-28T12:00:00Z" }, MOMENT), null);
});

test("the period before has the same length", () => {
  const window = { from_date: "2026-11-28T10:00:00.000Z", to_date: "2026-11-28T12:00:00Z" };
  assert.deepEqual(periodBefore(window), {
    from_date: "2026-11-28T08:00:00.000Z",
    to_date: "2026-11-28T10:00:00.000Z",
  });
  assert.equal(periodBefore({ to_date: "2026-11-28T12:00:00Z" }), null);
});

test("times are written in their zone, with the digits that were given", () => {
  assert.equal(formatTime("2026-10-30T23:58:57.863Z", "Europe/Berlin"), "2026-10-31 00:58:57.863");
  assert.equal(formatTime("2026-10-30T23:58:57.863123Z", "UTC", "short"), "23:58:57.863123");
  assert.equal(formatTime("no time", "UTC"), "no time");
  assert.equal(rangeText({ from: "-24h", to: "" }, "UTC"), "last 24 h");
  assert.equal(rangeText({ from: "all", to: "-15m" }, "UTC"), "first event – 15 min ago");
  assert.equal(instantOf("whatever", MOMENT.to), "whatever");
  assert.deepEqual([300, 63, 120_000].map(durationText), ["0.3 s", "63 ms", "2 min"]);
});

test("a local time is an instant, also where clocks change", () => {
  const at = (/** @type {string} */ local, zone = "Europe/Berlin") =>
    new Date(instantAt(local, zone)).toISOString();
  assert.equal(at("2026-10-31T00:58:57"), "2026-10-30T23:58:57.000Z");
  assert.equal(at("2026-10-25T02:30:00"), "2026-10-25T00:30:00.000Z");
  assert.equal(at("2026-10-25T03:30:00"), "2026-10-25T02:30:00.000Z");
  assert.equal(at("2026-03-29T01:30:00"), "2026-03-29T00:30:00.000Z");
  assert.equal(at("2026-03-29T02:30:00"), "2026-03-29T01:30:00.000Z");
  assert.equal(at("2026-03-29T03:30:00"), "2026-03-29T01:30:00.000Z");
  assert.equal(at("2026-07-01T12:00:00", "America/Los_Angeles"), "2026-07-01T19:00:00.000Z");
});
