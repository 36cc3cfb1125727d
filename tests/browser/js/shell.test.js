import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { activityLine, curlLine, shellQuoted } from "../../../api/explorer/static/export/shell.js";

const NASTY = [
  "",
  "plain",
  "two words",
  "it's",
  '"quoted"',
  "$(touch /tmp/x) `id` $HOME ${HOME}",
  "a\nb\n",
  "back\\slash\\",
  "!history !!",
  "*?[a]~ # ; & | > <",
  "=cat",
  "-dash",
  "--",
  "@file",
  "emoji 🎉 \u202ertl",
  "%d %s \\n",
  "''",
];

/**
 * The words that sh makes of a line, in place of running its program.
 * @param {string} line
 * @param {Record<string, string>} [env]
 */
function wordsOf(line, env = {}) {
  const print = `{ for each; do printf '%s\\0' "$each"; done; }`;
  const script = `curl() ${print}\nactivity() ${print}\n${line}`;
  const text = execFileSync("sh", ["-c", script], { env: { PATH: process.env.PATH, ...env } });
  return text.toString().split("\0").slice(0, -1);
}

/** @param {"csv" | "ndjson"} format @param {string[]} columns */
const formOf = (format, columns) => ({ format, columns, file: `f.${format}` });

test("each text stays one word, and nothing in it is run", () => {
  for (const text of NASTY) assert.deepEqual(wordsOf(`curl ${shellQuoted(text)}`), [text]);
});

test("the question reaches curl as it is, and the key only if there is one", () => {
  for (const q of NASTY.filter(Boolean)) {
    const line = curlLine("http://host:5000/events/export", { q, from_date: "-24h", to_date: "" });
    const words = wordsOf(line);
    assert.ok(words.includes(`q=${q}`));
    assert.ok(words.includes("from_date=-24h"));
    assert.ok(!words.some((word) => word.includes("Bearer") || word.startsWith("to_date")));
    const key = "-HAuthorization: Bearer act_1 2";
    assert.ok(wordsOf(line, { ACTIVITY_KEY: "act_1 2" }).includes(key));
  }
});

test("the question reaches activity as the last word, behind all options", () => {
  for (const q of NASTY.filter(Boolean)) {
    const form = formOf("csv", ["id", "data.a b"]);
    const words = wordsOf(activityLine("http://host", { q, occurred_from: "-24h" }, form));
    assert.deepEqual(words.slice(-2), ["--", q]);
    assert.ok(words.includes("--occurred-from=-24h"));
    assert.ok(words.includes("--columns=id,data.a b"));
  }
});

test("a line without a question has none", () => {
  const form = formOf("ndjson", []);
  const words = wordsOf(activityLine("http://host", { q: "", from_date: "" }, form));
  assert.deepEqual(words, ["query", "--url=http://host", "--all", "--json", "--output=f.ndjson"]);
});
