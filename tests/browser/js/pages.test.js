import assert from "node:assert/strict";
import { test } from "node:test";

import { Trouble } from "../../../api/explorer/static/service.js";
import {
  MOST_CHARACTERS,
  MOST_ROWS,
  NO_PAGES,
  Pages,
} from "../../../api/explorer/static/table/pages.js";

/**
 * @typedef {import("../../../api/explorer/static/service.js").Params} Params
 * @typedef {Awaited<ReturnType<import("../../../api/explorer/static/table/pages.js").Pages["read"]>>} Page
 */

/** @param {string} id */
const event = (id) => ({ id, created_at: "", component: "", environment: "", message: "" });

/** @param {number} count */
const events = (count, from = 0) =>
  Array.from({ length: count }, (_, at) => event(String(from + at)));

/** A service that answers when it is told to. */
function service() {
  /** @type {{params: Params, signal: AbortSignal, answer: (page: Partial<Page>) => Promise<void>,
   *   fail: (error: Error) => Promise<void>}[]} */
  const asked = [];
  const read = (/** @type {Params} */ params, /** @type {AbortSignal} */ signal) =>
    /** @type {Promise<Page>} */ (
      new Promise((resolve, reject) => {
        const answer = async (/** @type {Partial<Page>} */ page) => {
          resolve({ events: [], next: null, characters: 1, ...page });
          await new Promise(setImmediate);
        };
        const fail = async (/** @type {Error} */ error) => {
          reject(error);
          await new Promise(setImmediate);
        };
        asked.push({ params, signal, answer, fail });
      })
    );
  return { asked, read };
}

/** @returns {{pages: Pages, asked: ReturnType<typeof service>["asked"]}} */
function started() {
  const { asked, read } = service();
  const pages = new Pages(() => {}, read);
  pages.start({ q: "paid" });
  return { pages, asked };
}

test("pages follow on each other by cursor, one at a time, until there are no more", async () => {
  const { pages, asked } = started();
  pages.more();
  assert.equal(asked.length, 1);
  await asked[0]?.answer({ events: events(2), next: "c1", characters: 400 });
  assert.deepEqual(pages.held, { ...NO_PAGES, rows: events(2) });
  pages.more();
  assert.deepEqual(asked[1]?.params, { q: "paid", limit: 1000, cursor: "c1" });
  await asked[1]?.answer({ events: events(1, 2), next: null });
  assert.deepEqual(pages.held, { ...NO_PAGES, rows: events(3), isWhole: true });
  pages.more();
  assert.equal(asked.length, 2);
});

test("large events come in small pages", async () => {
  const { pages, asked } = started();
  await asked[0]?.answer({ events: events(2), next: "c1", characters: 500_000 });
  pages.more();
  assert.equal(asked[1]?.params.limit, 20);
});

test("rows of the question before stay until the answer, and are marked", async () => {
  const { pages, asked } = started();
  await asked[0]?.answer({ events: events(2), next: "c1" });
  pages.start({ q: "other" });
  assert.equal(pages.held.isOutdated, true);
  assert.equal(pages.held.rows.length, 2);
  assert.equal(asked[1]?.params.cursor, null);
  await asked[1]?.answer({ events: events(1, 5) });
  assert.deepEqual(pages.held, { ...NO_PAGES, rows: events(1, 5), isWhole: true });
});

test("an answer that comes after another question was asked is dropped", async () => {
  const { pages, asked } = started();
  pages.start({ q: "other" });
  assert.equal(asked[0]?.signal.aborted, true);
  await asked[0]?.answer({ events: events(2) });
  assert.equal(pages.held.rows.length, 0);
  assert.equal(pages.held.isOutdated, true);
});

test("trouble with a further page keeps the rows, and the page is asked for again", async () => {
  const { pages, asked } = started();
  await asked[0]?.answer({ events: events(2), next: "c1" });
  pages.more();
  await asked[1]?.fail(new Trouble(503, { detail: "away" }));
  assert.equal(pages.held.rows.length, 2);
  assert.equal(pages.held.trouble?.status, 503);
  pages.more();
  assert.equal(asked.length, 2);
  pages.again();
  assert.equal(asked[2]?.params.cursor, "c1");
  await asked[2]?.answer({ events: events(1, 2) });
  assert.equal(pages.held.trouble, null);
  assert.equal(pages.held.rows.length, 3);
});

test("trouble with the first page leaves no row of another question", async () => {
  const { pages, asked } = started();
  await asked[0]?.answer({ events: events(2) });
  pages.start({ q: "(" });
  await asked[1]?.fail(new Trouble(422, { detail: "wrong" }));
  assert.equal(pages.held.rows.length, 0);
  pages.again();
  await asked[2]?.answer({ events: events(1) });
  assert.equal(pages.held.rows.length, 1);
});

test("memory is bounded, by rows and by characters", async () => {
  for (const page of [
    { events: events(MOST_ROWS) },
    { events: events(1), characters: MOST_CHARACTERS },
  ]) {
    const { pages, asked } = started();
    await asked[0]?.answer({ ...page, next: "c1" });
    assert.equal(pages.held.isFull, true);
    pages.more();
    assert.equal(asked.length, 1);
  }
});
