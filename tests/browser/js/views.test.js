import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_VIEWS, NamedViews, Unkept } from "../../../api/explorer/static/views/store.js";

/** @param {Record<string, string>} [kept] */
function storage(kept = {}) {
  return {
    getItem: (/** @type {string} */ key) => kept[key] ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void (kept[key] = value),
  };
}

/** @param {string} name */
const view = (name) => ({ name, search: `?q=${name}`, saved: "2026-11-28T12:00:00Z" });

test("views are saved, replaced, renamed and deleted", () => {
  const store = storage();
  const views = new NamedViews(() => store, "views");
  views.save(view("b"));
  views.save(view("a"));
  views.save({ ...view("b"), search: "?q=other" });
  assert.deepEqual(
    views.list().map(({ name, search }) => [name, search]),
    [
      ["a", "?q=a"],
      ["b", "?q=other"],
    ],
  );
  views.rename("b", "c");
  assert.throws(() => views.rename("c", "a"), Unkept);
  views.remove("a");
  assert.deepEqual(
    views.list().map(({ name }) => name),
    ["c"],
  );
});

test("what another program wrote there does no harm", () => {
  for (const text of ["{", "null", '"text"', '{"a":1}', '[1,{"name":5},null]']) {
    assert.deepEqual(new NamedViews(() => storage({ views: text }), "views").list(), []);
  }
});

test("a storage that is full or forbidden is told in words", () => {
  const full = storage();
  full.setItem = () => {
    throw new DOMException("no room", "QuotaExceededError");
  };
  assert.throws(() => new NamedViews(() => full, "views").save(view("a")), /storage is full/);
  const forbidden = () => {
    throw new DOMException("no", "SecurityError");
  };
  assert.throws(() => new NamedViews(forbidden, "views").list(), /keeps nothing/);
});

test("the number of views is bounded", () => {
  const store = storage();
  const views = new NamedViews(() => store, "views");
  for (let number = 0; number < MAX_VIEWS; number += 1) views.save(view(`v${number}`));
  assert.throws(() => views.save(view("one more")), Unkept);
  views.save(view("v0"));
});
