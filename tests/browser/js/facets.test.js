import assert from "node:assert/strict";
import { test } from "node:test";

import { chosenOf, released } from "../../../api/explorer/static/facets/chosen.js";
import { Counting } from "../../../api/explorer/static/facets/counting.js";
import { isWithin, shownOf } from "../../../api/explorer/static/facets/counts.js";
import { Trouble } from "../../../api/explorer/static/service.js";

const values = Array.from({ length: 15 }, (_, at) => ({ value: `name-${at}`, count: 20 - at }));
const field = { values, other: 7, missing: 3, distinct: 18 };
const total = values.reduce((sum, { count }) => sum + count, 10);

/** @param {ReturnType<typeof shownOf>} shown */
const sumOf = (shown) =>
  shown.values.reduce((sum, { count }) => sum + count, shown.other + shown.missing);

test("whatever is shown adds up to the total", () => {
  for (const how of [
    { isAll: false, wanted: "" },
    { isAll: true, wanted: "" },
    { isAll: true, wanted: "NAME-1" },
    { isAll: true, wanted: "nothing" },
  ]) {
    assert.equal(sumOf(shownOf(field, how)), total);
  }
  assert.equal(shownOf(field, { isAll: false, wanted: "" }).values.length, 10);
  assert.equal(shownOf(field, { isAll: false, wanted: "" }).otherValues, 8);
  assert.equal(shownOf(field, { isAll: true, wanted: "name-1" }).values.length, 6);
});

test("objects and arrays are no values of a question", () => {
  assert.ok(isWithin("data.tags", '["a"]'));
  assert.ok(!isWithin("data.tags", "[a"));
  assert.ok(!isWithin("component", '["a"]'));
});

test("chosen and excluded values are told", () => {
  const q = 'paid component:(auth OR "a b") -component:dev -component:"x\\"y" email:auth';
  assert.deepEqual(chosenOf(q, "component"), { only: ["auth", "a b"], not: ["dev", 'x"y'] });
  assert.deepEqual(chosenOf("component:(a -b) component:*", "component"), { only: [], not: [] });
});

test("a value is released without the others", () => {
  assert.equal(released("paid component:auth", "component", "auth"), "paid");
  assert.equal(released("component:(a OR b) paid", "component", "a"), "component:b paid");
  assert.equal(released("component:(a OR b OR c)", "component", "b"), "component:(a OR c)");
  assert.equal(released("-component:dev", "component", "dev"), "");
  assert.equal(released("paid", "component", "dev"), "paid");
});

/**
 * @param {Partial<import("../../../api/explorer/static/facets/counts.js").Answer>} fields
 */
const answer = (fields) => ({ total: 1, complete: true, covered: null, fields: {}, ...fields });
const settled = () => new Promise(setImmediate);

test("all fields are counted in one request, and a new one alone", async () => {
  /** @type {unknown[]} */
  const asked = [];
  const counting = new Counting(
    () => {},
    async ({ field: fields }) => (asked.push(fields), answer({})),
  );
  counting.count({ q: "x" }, ["component", "environment"]);
  counting.count({ q: "x" }, ["component", "environment"]);
  await settled();
  counting.count({ q: "x" }, ["component", "environment", "data.a"]);
  await settled();
  assert.deepEqual(asked, [["component", "environment"], ["data.a"]]);
  counting.count({ q: "y" }, ["component"]);
  assert.equal(counting.counted.component?.isOutdated, true);
});

test("a field that fails leaves the others", async () => {
  const counting = new Counting(
    () => {},
    async ({ field: fields }) => {
      if (Array.isArray(fields) && fields.includes("data.x*")) {
        throw new Trouble(422, { errors: [{ detail: "no", parameter: "field" }] });
      }
      return answer({ total: 5 });
    },
  );
  counting.count({ q: "x" }, ["component", "data.x*"]);
  await settled();
  await settled();
  assert.equal(counting.counted.component?.answer?.total, 5);
  assert.equal(counting.counted["data.x*"]?.trouble?.status, 422);
  assert.equal(counting.counted["data.x*"]?.answer, null);
});

test("an incomplete answer is asked for again, as long as it goes on", async () => {
  const ends = ["3", "2", "2", "1"];
  let asked = 0;
  const counting = new Counting(
    () => {},
    async () => answer({ complete: false, covered: { from: ends[asked++] ?? "0", to: "9" } }),
  );
  counting.count({ q: "x" }, ["data.a"]);
  for (let turn = 0; turn < 10; turn += 1) await settled();
  assert.equal(asked, 3);
  assert.equal(counting.counted["data.a"]?.isCounting, false);
});

test("a question that can't be read is told once", async () => {
  let asked = 0;
  const counting = new Counting(
    () => {},
    async () => {
      asked += 1;
      throw new Trouble(422, { errors: [{ detail: "no", parameter: "q" }] });
    },
  );
  counting.count({ q: "(" }, ["component", "environment"]);
  await settled();
  assert.equal(asked, 1);
  assert.equal(counting.counted.component?.trouble, counting.counted.environment?.trouble);
});
