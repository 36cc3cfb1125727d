import assert from "node:assert/strict";
import { test } from "node:test";

import { download } from "../../../api/explorer/static/export/download.js";
import { columnsOf, fileName, questionOf } from "../../../api/explorer/static/export/form.js";
import { WholeLines } from "../../../api/explorer/static/export/lines.js";
import { DEFAULTS } from "../../../api/explorer/static/view.js";
import { Trouble } from "../../../api/explorer/static/service.js";

const LINES = Array.from({ length: 5 }, (_, n) => `{"id":"id-${n}","message":"é\\n${n}"}\n`);
const ROWS = ["id,message\r\n", '"id-0","a\nb"\r\n', '"id-1","say ""hi""\r\n"\r\n', '"id-2",\r\n'];

/** @param {string[]} parts @param {number} size */
function cut(parts, size) {
  const bytes = new TextEncoder().encode(parts.join(""));
  const cuts = [];
  for (let at = 0; at < bytes.length; at += size) cuts.push(bytes.slice(at, at + size));
  return cuts;
}

/** @param {Uint8Array[]} parts */
const text = (parts) => Buffer.concat(parts).toString();

test("only whole lines are given, however the download is cut", () => {
  for (const size of [1, 3, 10, 1000]) {
    const lines = new WholeLines("ndjson");
    const given = cut([...LINES, '{"id":"half'], size).map((part) => lines.add(part));
    assert.equal(text(given), LINES.join(""));
    for (const part of given.filter(({ length }) => length)) assert.equal(part.at(-1), 10);
    assert.deepEqual([lines.rows, lines.last], [5, "id-4"]);
  }
});

test("a line feed in quotes ends no row of CSV, and the names are no row", () => {
  for (const size of [1, 3, 10, 1000]) {
    const lines = new WholeLines("csv");
    const given = cut([...ROWS, '"id-3","half\n'], size).map((part) => lines.add(part));
    assert.equal(text(given), ROWS.join(""));
    assert.deepEqual([lines.rows, lines.last], [3, "id-2"]);
  }
});

/** @param {string} body @param {boolean} breaks */
function answer(body, breaks) {
  const stream = new ReadableStream({
    start(control) {
      control.enqueue(new TextEncoder().encode(body));
      if (!breaks) control.close();
    },
    pull: (control) => control.error(new TypeError("network error")),
  });
  return new Response(stream, { headers: { "Activity-Now": "2026-11-28T12:00:00Z" } });
}

/** @param {(Response | Trouble)[]} answers */
function setting(answers) {
  /** @type {any[]} */
  const asked = [];
  /** @type {string[]} */
  const told = [];
  /** @type {Uint8Array[]} */
  const written = [];
  let end = "";
  const sink = {
    write: async (/** @type {Uint8Array} */ part) => void written.push(part.slice()),
    close: async () => void (end = "whole"),
    abort: async () => void (end = "none"),
  };
  const open = async (/** @type {any} */ params) => {
    asked.push(params);
    const next = answers.shift();
    if (next instanceof Response) return next;
    throw next;
  };
  const onProgress = (/** @type {any} */ { waiting }) => void told.push(waiting);
  const needs = { open, sink, onProgress, sleep: async () => {} };
  return { needs, asked, told, written, end: () => end };
}

test("a download goes on behind the last whole line, over any number of breaks", async () => {
  const seen = setting([
    answer(LINES[0] + LINES[1] + LINES[2].slice(0, 9), true),
    new Trouble(503, { detail: "Busy." }, 3),
    answer(LINES[2], true),
    answer(LINES[3] + LINES[4], false),
  ]);
  const params = { q: "paid", format: "ndjson" };
  const last = await download(params, new AbortController().signal, seen.needs);
  assert.equal(text(seen.written), LINES.join(""));
  assert.equal(seen.end(), "whole");
  assert.equal(last.rows, 5);
  assert.deepEqual(
    seen.asked.map(({ cursor }) => cursor),
    [undefined, "id-1", "id-1", "id-2"],
  );
  assert.equal(seen.asked[3].now, "2026-11-28T12:00:00Z");
  assert.ok(seen.told.some((waiting) => waiting === "Busy. Goes on in 3 s."));
});

test("of CSV a second part has no names, and the rows are counted on", async () => {
  const seen = setting([answer(ROWS[0] + ROWS[1], true), answer(ROWS[2] + ROWS[3], false)]);
  const last = await download({ format: "csv" }, new AbortController().signal, seen.needs);
  assert.equal(text(seen.written), ROWS.join(""));
  assert.equal(last.rows, 3);
});

test("an export that is cancelled or refused leaves no file", async () => {
  const refused = setting([new Trouble(422, { detail: "Not valid." })]);
  await assert.rejects(download({}, new AbortController().signal, refused.needs), Trouble);
  assert.equal(refused.end(), "none");
  const control = new AbortController();
  const cancelled = setting([answer(LINES[0], true)]);
  cancelled.needs.sleep = async () => void control.abort();
  await assert.rejects(download({}, control.signal, cancelled.needs));
  assert.equal(cancelled.end(), "none");
});

test("the form of an export follows the view", () => {
  const view = { ...DEFAULTS, columns: ["time", "data.a", "id"], q: "paid", from: "all" };
  assert.deepEqual(columnsOf(view), ["id", "created_at", "data.a"]);
  assert.deepEqual(questionOf(view), { q: "paid", from_date: "", to_date: "" });
  const occurred = { ...view, by: "occurred_at", from: "-1h" };
  assert.equal(questionOf(occurred).occurred_from, "-1h");
  assert.equal(fileName("csv", Date.UTC(2026, 10, 28, 19, 44)), "events-20261128T194400Z.csv");
});
