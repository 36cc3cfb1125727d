import assert from "node:assert/strict";
import { test } from "node:test";

import { cut, visible, visibleLines } from "../../../api/explorer/static/texts.js";

test("characters that can't be seen become visible", () => {
  assert.equal(visible("a\u001b[31mb\n\tc\u007f"), "a␛[31mb␊␉c␡");
  assert.equal(visible("a\u202eb\u200bc\u0085"), "a[U+202E]b[U+200B]c[U+0085]");
  assert.equal(visible("a\u200fb\u061cc\u{e0041}"), "a[U+200F]b[U+061C]c[U+E0041]");
});

test("lines and tabs stay where there is room for lines", () => {
  assert.equal(visibleLines("a\n\tb\rc\u0007"), "a\n\tb␍c␇");
});

test("letters of all scripts and joined emoji stay as they are", () => {
  for (const text of ["المدفوعات", "תשלומים", "👩‍👩‍👧‍👦 é", " two  spaces "])
    assert.equal(visible(text), text);
});

test("a cut does not split a pair of surrogates", () => {
  assert.equal(cut("ab👍cd", 3), "ab");
  assert.equal(cut("ab👍cd", 4), "ab👍");
  assert.equal(cut("ab", 4), "ab");
});
