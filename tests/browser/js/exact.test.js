import assert from "node:assert/strict";
import { test } from "node:test";

import { ExactNumber, parseExact, writeExact } from "../../../api/explorer/static/exact.js";

const EXACT = ["12345678901234567890", "5.0", "1e400", "0.1000", "-0", "1E2"];

test("every digit of a number is kept", () => {
  for (const source of EXACT) {
    const value = parseExact(`{"n": [${source}]}`).n[0];
    assert.ok(value instanceof ExactNumber);
    assert.equal(String(value), source);
    assert.equal(writeExact({ n: [value] }), `{"n":[${source}]}`);
  }
});

test("usual numbers stay numbers", () => {
  assert.deepEqual(parseExact("[1, -2.5, 0, 1e+21]"), [1, -2.5, 0, 1e21]);
});

test("numbers within texts and keys are texts", () => {
  const text = '{"5.0":"5.0","a\\"5.0":"\\\\5.0","u":"\\\\u0000123"}';
  assert.deepEqual(parseExact(text), JSON.parse(text));
  assert.equal(writeExact(parseExact(text)), text);
  const both = `[${text},5.0]`;
  assert.equal(writeExact(parseExact(both)), both);
});

test("a key named __proto__ is a key", () => {
  const value = parseExact('{"__proto__": {"n": 5.0}}');
  assert.deepEqual(Object.keys(value), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});
