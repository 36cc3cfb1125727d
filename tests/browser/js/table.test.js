import assert from "node:assert/strict";
import { test } from "node:test";

import {
  layoutOf,
  readerOf,
  templateOf,
  widthOfAll,
} from "../../../api/explorer/static/table/columns.js";
import { pathsIn } from "../../../api/explorer/static/table/paths_in.js";
import {
  fromHit,
  has,
  hitBeside,
  patternOf,
  piecesOf,
} from "../../../api/explorer/static/table/find.js";
import { Finder } from "../../../api/explorer/static/table/finder.js";
import { withNewer } from "../../../api/explorer/static/table/newer.js";
import {
  rowAfterKey,
  scrollToSee,
  visibleRange,
} from "../../../api/explorer/static/table/windowing.js";

/**
 * @param {Partial<import("../../../api/explorer/static/table/columns.js").EventRow>} fields
 */
const event = (fields) => ({
  id: "1",
  created_at: "2026-11-28T23:18:32.548Z",
  component: "auth",
  environment: "dev",
  message: "paid",
  ...fields,
});

test("only rows that are seen are drawn, and a few beside", () => {
  assert.deepEqual(visibleRange({ top: 0, height: 300 }, 30, 20_000), { first: 0, end: 18 });
  assert.deepEqual(visibleRange({ top: 300_000, height: 300 }, 30, 20_000), {
    first: 9992,
    end: 10_018,
  });
  assert.deepEqual(visibleRange({ top: 599_700, height: 300 }, 30, 20_000), {
    first: 19_982,
    end: 20_000,
  });
  assert.deepEqual(visibleRange({ top: 900, height: 300 }, 30, 2), { first: 2, end: 2 });
  assert.deepEqual(visibleRange({ top: -500, height: 300 }, 30, 20_000), { first: 0, end: 2 });
});

test("a row is scrolled to only as far as it must be", () => {
  const seen = { top: 300, height: 300 };
  assert.equal(scrollToSee(12, seen, 30), 0);
  assert.equal(scrollToSee(9, seen, 30), -30);
  assert.equal(scrollToSee(20, seen, 30), 30);
});

test("keys lead to rows that there are", () => {
  const table = { count: 100, page: 10 };
  assert.equal(rowAfterKey("ArrowDown", -1, table), 0);
  assert.equal(rowAfterKey("ArrowUp", -1, table), 0);
  assert.equal(rowAfterKey("PageDown", 95, table), 99);
  assert.equal(rowAfterKey("Home", 95, table), 0);
  assert.equal(rowAfterKey("x", 95, table), null);
  assert.equal(rowAfterKey("End", 0, { count: 0, page: 10 }), null);
});

const COLUMNS = ["time", "component", "environment", "message", "email"];

test("the message keeps the room: email gives way first, then the environment", () => {
  assert.deepEqual(layoutOf(COLUMNS, {}, 1200).hidden, []);
  assert.deepEqual(layoutOf(COLUMNS, {}, 800).hidden, ["email"]);
  assert.deepEqual(layoutOf(COLUMNS, {}, 380).hidden, ["email", "environment"]);
});

test("widths that were chosen hold, within bounds", () => {
  const layout = layoutOf(COLUMNS, { component: 300, email: 5 }, 1400);
  assert.equal(templateOf(layout), "200px 300px 110px minmax(260px, 1fr) 48px");
  assert.equal(widthOfAll(layout), 918);
  const moving = templateOf(layout, { component: 310 });
  assert.equal(moving, "200px 310px 110px minmax(260px, 1fr) 48px");
});

test("columns of a link that are none are left out", () => {
  const { columns } = layoutOf(["time", "nonsense", 'data."a b"', "data..x"], {}, 1400);
  assert.deepEqual(
    columns.map(({ name }) => name),
    ["time", 'data."a b"'],
  );
});

test("a table without columns shows the message", () => {
  assert.deepEqual(
    layoutOf(["nonsense"], {}, 1400).columns.map(({ name }) => name),
    ["message"],
  );
});

test("a column shows what stands at its path", () => {
  const data = { a: { "b c": [1, { d: null }], n: null } };
  assert.equal(readerOf('data.a."b c"')(event({ data })), '[1,{"d":null}]');
  assert.equal(readerOf("data.a.n")(event({ data })), "null");
  assert.equal(readerOf("data.x")(event({ data })), "");
  assert.equal(readerOf("email")(event({ email: null })), "");
});

test("the paths of rows are offered", () => {
  const rows = [event({ data: { b: { c: 1 }, a: [1] } }), event({ data: null })];
  assert.deepEqual(pathsIn(rows), ["data.a", "data.b.c"]);
  assert.equal(pathsIn(rows, 1).length, 1);
});

test("what is looked for is text, in any case", () => {
  const pattern = patternOf("A.(b");
  assert.ok(pattern);
  assert.ok(has("xa.(B", pattern));
  assert.ok(!has("xab", pattern));
  assert.deepEqual(piecesOf("1a.(b2A.(B", pattern), [
    { text: "1", isHit: false },
    { text: "a.(b", isHit: true },
    { text: "2", isHit: false },
    { text: "A.(B", isHit: true },
  ]);
  assert.equal(patternOf(""), null);
  assert.equal(fromHit("a.(b", pattern, 30), "a.(b");
  assert.deepEqual(piecesOf("a.(b", pattern), [{ text: "a.(b", isHit: true }]);
});

test("characters with a meaning in patterns are looked for as they are", () => {
  for (const text of ["\\", "[", "]", "{", "^$", "-", "/", "a|b", "*+?", "👍"]) {
    assert.ok(has(`x${text}y`, patternOf(text) ?? /$^/), text);
  }
});

test("text begins shortly before a hit that is far behind", () => {
  const pattern = patternOf("end") ?? /$^/;
  assert.equal(fromHit("the end", pattern, 30), "the end");
  const shown = fromHit(`${"x".repeat(1000)}end`, pattern, 30);
  assert.equal(shown, `…${"x".repeat(24)}end`);
});

test("hits are walked through in a circle", () => {
  assert.equal(hitBeside([2, 5, 9], -1, 1), 2);
  assert.equal(hitBeside([2, 5, 9], 5, 1), 9);
  assert.equal(hitBeside([2, 5, 9], 9, 1), 2);
  assert.equal(hitBeside([2, 5, 9], 2, -1), 9);
  assert.equal(hitBeside([2, 5, 9], 4, -1), 2);
  assert.equal(hitBeside([], 4, -1), null);
});

test("rows are searched in slices, and only new ones when more are loaded", () => {
  /** @type {(() => void)[]} */
  const queue = [];
  /** @type {{hits: readonly number[], isDone: boolean}[]} */
  const told = [];
  const finder = new Finder(
    (hits, isDone) => told.push({ hits, isDone }),
    (work) => queue.push(work),
  );
  const run = () => {
    for (let work = queue.shift(); work; work = queue.shift()) work();
  };
  let looks = 0;
  finder.lookFor(patternOf("hit"), (row) => ((looks += 1), [row.message]));
  const rows = Array.from({ length: 5000 }, (_, at) =>
    event({ message: at % 2500 ? "" : "a hit" }),
  );
  finder.lookIn(rows);
  assert.equal(told.at(-1)?.isDone, false);
  run();
  assert.deepEqual(told.at(-1), { hits: [0, 2500], isDone: true });
  finder.lookIn([...rows, event({ message: "hit" })]);
  run();
  assert.deepEqual(told.at(-1), { hits: [0, 2500, 5000], isDone: true });
  assert.equal(looks, 5001);
  finder.lookIn([event({ message: "hit" })]);
  assert.deepEqual(told.at(-1), { hits: [0], isDone: true });
  finder.lookFor(null, () => []);
  assert.deepEqual(told.at(-1), { hits: [], isDone: true });
});

test("a newer row that was stored late stands in its place; rows that don't follow on are left out", () => {
  const [one, two, three, four] = ["1", "2", "3", "4"].map((id) =>
    event({ id, created_at: `2026-11-28T12:00:0${id}Z` }),
  );
  assert.ok(one && two && three && four);
  assert.deepEqual(withNewer([four, two], [three, one]), [four, three, two, one]);
  assert.deepEqual(withNewer([one], [four, three]), [four, three, one]);
  assert.deepEqual(withNewer([four, three], [one], true), [four, three]);
});

test("newer rows stand first, and each event once", () => {
  const [one, two, three] = ["1", "2", "3"].map((id) => event({ id }));
  assert.ok(one && two && three);
  assert.deepEqual(withNewer([three, two], [two, one]), [three, two, one]);
  const rows = [one];
  assert.equal(withNewer([], rows), rows);
});
