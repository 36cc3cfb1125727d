import assert from "node:assert/strict";
import { test } from "node:test";

import {
  fieldOptions,
  placeAt,
  valueOptions,
} from "../../../api/explorer/static/question/completion.js";
import { marksOf } from "../../../api/explorer/static/question/faults.js";
import {
  excluding,
  inverted,
  termsOf,
  withTerm,
  withoutTerm,
} from "../../../api/explorer/static/question/terms.js";
import {
  facetOf,
  fieldOf,
  pathOf,
  valueText,
} from "../../../api/explorer/static/question/written.js";

/** @param {string} q */
const texts = (q) => termsOf(q).map(({ text }) => text);

test("a question is read as the terms that must all match", () => {
  const [names, not, phrase] = termsOf('component:(auth OR pay*) -environment:dev "was paid"');
  assert.deepEqual(
    [names?.field, names?.operator, names?.value],
    ["component", ":", "(auth OR pay*)"],
  );
  assert.deepEqual([not?.isNot, not?.field, not?.value], [true, "environment", "dev"]);
  assert.equal(phrase?.text, '"was paid"');
  assert.deepEqual(texts('a AND NOT b data."first name":Jo data.n > 5'), [
    "a",
    "NOT b",
    'data."first name":Jo',
    "data.n > 5",
  ]);
  assert.deepEqual(texts("paid OR refunded"), ["paid OR refunded"]);
  assert.deepEqual(texts('("a OR b" c) 10.0.0.1:80'), ['("a OR b" c)', "10.0.0.1:80"]);
});

test("a question with a fault has terms too", () => {
  assert.deepEqual(texts('") (('), ['") ((']);
  assert.deepEqual(texts(")) a"), ["a"]);
  assert.deepEqual(texts("((a"), ["((a"]);
});

test("a value is added once; a second name is an OR; what was excluded gives way", () => {
  assert.equal(withTerm("", "component", "billing"), "component:billing");
  assert.equal(withTerm("component:billing", "component", "billing"), "component:billing");
  assert.equal(withTerm("component:billing", "component", "auth"), "component:(billing OR auth)");
  assert.equal(
    withTerm('component:(a OR "b c")', "component", "<img src=x>"),
    'component:(a OR "b c" OR "<img src=x>")',
  );
  assert.equal(withTerm("-component:auth x", "component", "auth"), "x component:auth");
  assert.equal(withTerm("a OR b", "component", "auth"), "(a OR b) component:auth");
  assert.equal(withTerm("data.a:1", "data.a", 2), "data.a:1 data.a:2");
});

test("terms are excluded, removed and inverted", () => {
  assert.equal(excluding("component:auth x", "component", "auth"), "x -component:auth");
  const q = 'a AND b "c d"';
  const [, second, third] = termsOf(q);
  assert.ok(second && third);
  assert.equal(withoutTerm(q, second), 'a "c d"');
  assert.equal(inverted(q, third), 'a b -"c d"');
  const [whole] = termsOf("a OR b");
  assert.ok(whole);
  assert.equal(inverted("a OR b", whole), "-(a OR b)");
  const [not] = termsOf("NOT b");
  assert.ok(not);
  assert.equal(inverted("NOT b", not), "b");
});

test("values are written so that they are read back as they are", () => {
  assert.equal(valueText("component", "pay*"), '"pay*"');
  assert.equal(valueText("component", "OR"), '"OR"');
  assert.equal(valueText("email", "jo+x@example.org"), "jo+x@example.org");
  assert.equal(valueText("message", 'say "hi" \\'), '"say \\"hi\\" \\\\"');
  assert.equal(valueText("data.n", 5), "5");
  assert.equal(valueText("data.n", "5"), '"5"');
  assert.equal(valueText("data.n", "5", true), "5");
  assert.equal(valueText("data.n", null), "null");
  assert.equal(pathOf(["first name", "a.b", "c"]), 'data."first name"."a.b".c');
  assert.equal(fieldOf("data.first name"), 'data."first name"');
  assert.equal(facetOf('data."first name".b'), "data.first name.b");
});

test("what is written at the caret is a field, a value, or text in quotes", () => {
  assert.deepEqual(placeAt("paid comp", 9), { kind: "field", field: "", prefix: "comp", begin: 5 });
  assert.deepEqual(placeAt("-component:bil", 14), {
    kind: "value",
    field: "component",
    prefix: "bil",
    begin: 11,
  });
  assert.equal(placeAt("component:(a OR pa", 18)?.prefix, "pa");
  assert.equal(placeAt('data."a b".c:"x y', 17)?.prefix, "x y");
  assert.equal(placeAt('"was pa', 7), null);
});

test("completions are fields, paths and names that fit", () => {
  const known = {
    component: [{ value: "data mill", count: 3 }],
    data: [{ value: "data.customer.first name", count: 2 }],
  };
  assert.deepEqual(
    fieldOptions("data", known).map(({ text }) => text),
    ["data.", 'data.customer."first name":', 'component:"data mill" '],
  );
  const place = placeAt("component:mi", 12);
  assert.ok(place);
  assert.deepEqual(
    valueOptions(place, [
      { value: "mint", count: 1 },
      { value: "x", count: 1 },
    ]).map(({ text }) => text),
    ["mint "],
  );
});

test("a fault is marked at its character, also behind characters beyond 16 bits", () => {
  const fault = {
    parameter: "q",
    character: 3,
    detail: "q, character 3: 'componnet' is not a field; did you mean component? Put text",
  };
  const [mark] = marksOf("😀 componnet:x", [fault, { detail: "of another", parameter: "limit" }]);
  assert.deepEqual(mark && { ...mark, text: "" }, {
    begin: 3,
    end: 12,
    text: "",
    meant: "component",
  });
  const term = { ...fault, character: 1, detail: "q, line 1, character 1: did you mean data.n>1?" };
  assert.equal(marksOf("n>1 x", [term])[0]?.end, 3);
});
