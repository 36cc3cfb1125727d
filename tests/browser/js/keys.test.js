import assert from "node:assert/strict";
import { test } from "node:test";

import { act, register } from "../../../api/explorer/static/keys/actions.js";
import { ACTIONS, actionOf, useOf } from "../../../api/explorer/static/keys/table.js";

test("each key and each name stands in the table once", () => {
  for (const part of /** @type {const} */ (["key", "name"])) {
    const all = ACTIONS.map((action) => action[part]);
    assert.equal(new Set(all).size, all.length);
  }
});

test("the keys that were promised are there", () => {
  const keys = ACTIONS.map(({ key }) => key);
  for (const key of ["/", "j", "k", "Enter", "Escape", "t", "l", "?"])
    assert.ok(keys.includes(key));
});

test("a field keeps its keys, and Escape leaves it", () => {
  const field = useOf({ tagName: "INPUT", type: "search" });
  assert.equal(actionOf({ key: "j" }, field), undefined);
  assert.equal(actionOf({ key: "Escape" }, field)?.name, "back");
  assert.equal(useOf({ tagName: "DIV", isContentEditable: true }), "typed");
  assert.equal(useOf({ tagName: "SELECT" }), "typed");
});

test("a button keeps Enter only, and a checkbox too", () => {
  for (const element of [{ tagName: "BUTTON" }, { tagName: "INPUT", type: "checkbox" }]) {
    assert.equal(actionOf({ key: "Enter" }, useOf(element)), undefined);
    assert.equal(actionOf({ key: "j" }, useOf(element))?.name, "next");
  }
});

test("keys with a modifier are the browser's, and those of an input method its own", () => {
  assert.equal(actionOf({ key: "f", ctrlKey: true }, "none"), undefined);
  assert.equal(actionOf({ key: "f", metaKey: true }, "none"), undefined);
  assert.equal(actionOf({ key: "k", isComposing: true }, "none"), undefined);
});

test("a key that is held down moves rows, and toggles nothing", () => {
  assert.equal(actionOf({ key: "j", repeat: true }, "none")?.name, "next");
  assert.equal(actionOf({ key: "l", repeat: true }, "none"), undefined);
});

test("the action that was registered last goes first, and may leave it to the others", () => {
  /** @type {string[]} */
  const done = [];
  const endOne = register("back", () => void done.push("one"));
  const endOther = register("back", () => (done.push("other"), false));
  assert.ok(act("back"));
  assert.deepEqual(done, ["other", "one"]);
  endOne();
  assert.equal(act("back"), false);
  endOther();
});
