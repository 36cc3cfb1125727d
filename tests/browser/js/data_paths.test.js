import assert from "node:assert/strict";
import { test } from "node:test";

import { isObject, keysOf, parameterOf, valueAt } from "../../../api/explorer/static/data_paths.js";
import { innersOf, ROOT } from "../../../api/explorer/static/detail/places.js";
import { pathOf } from "../../../api/explorer/static/question/written.js";

const ODD = [
  ["a"],
  ["first name", "a.b"],
  ['say "hi"', "back\\slash"],
  [""],
  ["شارع", "x*[y]"],
  ["-"],
];

test("a path is read as it is written", () => {
  for (const keys of ODD) assert.deepEqual(keysOf(pathOf(keys)), keys);
});

test("what is no path is told", () => {
  for (const text of [
    "data",
    "data.",
    "data.a..b",
    "datax.a",
    "component",
    'data."a',
    "data.a b",
  ]) {
    assert.equal(keysOf(text), null, text);
  }
});

test("only keys without dots have a name in parameters", () => {
  assert.equal(parameterOf(["a", "first name"]), "data.a.first name");
  assert.equal(parameterOf(["a.b"]), null);
  assert.equal(parameterOf([""]), null);
});

test("values are found by own keys only", () => {
  const data = JSON.parse('{"a": {"b": null}, "__proto__": {"c": 1}}');
  assert.equal(valueAt(data, ["a", "b"]), null);
  assert.equal(valueAt(data, ["__proto__", "c"]), 1);
  assert.equal(valueAt(data, ["toString"]), undefined);
  assert.equal(valueAt(data, ["a", "b", "c"]), undefined);
  assert.equal(isObject([]), false);
});

test("elements of an array are asked for by the path of the array", () => {
  const [tags] = innersOf({ tags: ["new"] }, ROOT, 200);
  assert.ok(tags);
  const [first] = innersOf(tags.value, tags.place, 200);
  assert.deepEqual(first?.place, { keys: ["tags"], isElement: true });
});

test("what is within an object of an array has no name", () => {
  const [items] = innersOf({ items: [{ sku: 1 }] }, ROOT, 200);
  assert.ok(items);
  const [item] = innersOf(items.value, items.place, 200);
  assert.ok(item);
  const [sku] = innersOf(item.value, item.place, 200);
  assert.equal(sku?.place.keys, null);
  const [inner] = innersOf([1], item.place, 200);
  assert.equal(inner?.place.keys, null);
});

test("an array of nothing but itself has no name", () => {
  const [element] = innersOf([5], ROOT, 200);
  assert.equal(element?.place.keys, null);
});
