import assert from "node:assert/strict";
import { test } from "node:test";

import { ESLint } from "eslint";

const eslint = new ESLint();

/** @param {string} source */
async function faultsOf(source) {
  const [result] = await eslint.lintText(source, { filePath: "api/explorer/static/some.js" });
  return result.messages.map(({ ruleId }) => ruleId);
}

test("text that becomes HTML is refused", async () => {
  const source = 'document.body.innerHTML = "<b>bold</b>";\n';
  assert.deepEqual(await faultsOf(source), ["no-restricted-properties"]);
});

test("text that becomes HTML in a template is refused", async () => {
  const source =
    'export const bold = (html) => html`<p dangerouslySetInnerHTML=${{ a: "" }} />`;\n';
  assert.deepEqual(await faultsOf(source), ["no-restricted-syntax"]);
});

test("text that becomes code is refused", async () => {
  assert.deepEqual(await faultsOf('setTimeout("alert(1)");\n'), ["no-implied-eval"]);
});

test("a name of the browser at the top of a module is refused, as others may mean the browser's", async () => {
  const tops = ["export function open() {}\n", "export const history = 1;\n", "class Node {}\n"];
  for (const source of tops) assert.ok((await faultsOf(source)).includes("no-restricted-syntax"));
  assert.deepEqual(await faultsOf("export const own = (open) => open;\n"), []);
});

test("a text over several lines is refused: it would lose its indentation", async () => {
  assert.deepEqual(await faultsOf("export const text = `a\n  b`;\n"), ["no-restricted-syntax"]);
  assert.deepEqual(await faultsOf("export const nodes = (html) => html`<p>\n  b</p>`;\n"), []);
});
