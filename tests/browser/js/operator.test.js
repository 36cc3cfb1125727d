/** The operator's page: accounts that add up, minutes that are unknown, and the form of a key. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { accountOf } from "../../../api/explorer/static/operator/accounts.js";
import { bodyOf, EMPTY, faultOf } from "../../../api/explorer/static/operator/key_form.js";
import { barsOf, summaryOf } from "../../../api/explorer/static/operator/rates_model.js";
import { known, shareText, bytesText } from "../../../api/explorer/static/operator/texts.js";

const conservation = (more = {}) => ({
  balanced: true,
  accepted: 100,
  trimmed: 80,
  backlog: 20,
  foreign: 0,
  foreign_backlog: 0,
  queue_unaccounted: 0,
  accounted: 85,
  untrimmed: 5,
  since: null,
  ...more,
});
const shards = [
  { stored: 50, duplicates: 3, dead: 1 },
  { stored: 30, duplicates: 0, dead: 1 },
];
/** @param {{count: number | null}[]} rows */
const sum = (rows) => rows.reduce((total, { count }) => total + (count ?? NaN), 0);
/** @param {{name: string, count: number | null}[]} rows */
const byName = (rows) => Object.fromEntries(rows.map(({ name, count }) => [name, count]));

test("both sides of the account add up, whatever was read in between", () => {
  const cases = [
    conservation(),
    conservation({ accounted: 110, untrimmed: 30 }),
    conservation({ foreign: 4, foreign_backlog: 2, backlog: 22, accounted: 85, untrimmed: 1 }),
    conservation({ trimmed: 70, untrimmed: 15 }),
  ];
  for (const found of cases) {
    const { came, went } = accountOf(found, shards);
    assert.equal(sum(came), sum(went), JSON.stringify(found));
  }
});

test("what is missing is unaccounted, and what is not known is null", () => {
  const { went } = accountOf(conservation({ trimmed: 70, untrimmed: 15 }), shards);
  assert.equal(byName(went)["unaccounted"], 10);
  const unknown = accountOf(conservation({ accounted: null, untrimmed: null }), [
    { stored: null, duplicates: null, dead: null },
  ]);
  const { stored, waiting } = byName(unknown.went);
  assert.deepEqual([stored, waiting], [null, null]);
});

test("what was erased is a row of its own", () => {
  const found = conservation({ accepted: 103, trimmed: 83, accounted: 88 });
  const erased = shards.map((shard, n) => ({ ...shard, erased: n + 1 }));
  const { came, went } = accountOf(found, erased);
  assert.equal(byName(went)["erased"], 3);
  assert.equal(sum(came), sum(went));
});

/** @param {(number | null)[]} counts */
const minutes = (counts) =>
  counts.map((accepted, n) => ({
    minute: `2026-11-28T12:0${n}:00+00:00`,
    accepted,
    stored: null,
    duplicates: null,
    dead: null,
    erased: null,
    rejected: null,
  }));

test("an unknown minute is drawn as unknown, and told apart from an empty one", () => {
  const found = barsOf(minutes([5, 0, null]), "accepted");
  assert.deepEqual(found.counts, [5, 0, null]);
  assert.deepEqual(found.unknown, [null, null, 5]);
  assert.equal(
    summaryOf(minutes([5, 0, null]), "accepted"),
    "5 in 2 min, 1 min unknown, at most 5 a minute",
  );
  assert.equal(summaryOf(minutes([5, 0]), "stored"), "unknown in all 2 minutes");
});

test("a key is asked for with what the form says, and nothing else", () => {
  const form = {
    ...EMPTY,
    name: " a ",
    scopes: ["read"],
    components: "pay-*, billing  x",
    life: "",
  };
  assert.deepEqual(bodyOf(form, 0), {
    name: "a",
    scopes: ["read"],
    components: ["pay-*", "billing", "x"],
    environments: [],
  });
  const limited = { ...EMPTY, events_per_second: "5,000", events_per_day: "many", life: "7" };
  const body = bodyOf(limited, Date.parse("2026-11-28T12:00:00Z"));
  assert.equal(body["events_per_second"], 5000);
  assert.equal(body["events_per_day"], "many");
  assert.equal(body["expires_at"], "2026-12-05T12:00:00.000Z");
});

test("a fault is found at its field", () => {
  const trouble = /** @type {any} */ ({
    errors: [
      { pointer: "/components/1", detail: "is no name" },
      { pointer: "/name", detail: "is required" },
    ],
  });
  assert.equal(faultOf(trouble, "components"), "is no name");
  assert.equal(faultOf(trouble, "environments"), "");
  assert.equal(faultOf(null, "name"), "");
});

test("figures are written with their units, and unknown is never 0", () => {
  assert.equal(known(null), "unknown");
  assert.equal(known(undefined), "unknown");
  assert.equal(known(0), "0");
  assert.equal(bytesText(999), "999 bytes");
  assert.equal(bytesText(1500), "1.5 KB");
  assert.equal(bytesText(20_000_000), "20 MB");
  assert.equal(shareText(0.042), "4.2 %");
});
