import assert from "node:assert/strict";
import { test } from "node:test";

import { movedTo, toggled } from "../../../api/explorer/static/table/columns.js";

test("a column is put where it usually stands, and moved where one wants it", () => {
  assert.deepEqual(toggled(["time", "message"], "component"), ["time", "component", "message"]);
  assert.deepEqual(toggled(["message", "time"], "data.a"), ["message", "time", "data.a"]);
  assert.deepEqual(toggled(["time", "message"], "time"), ["message"]);
  assert.deepEqual(movedTo(["a", "b", "c"], "c", 0), ["c", "a", "b"]);
  assert.deepEqual(movedTo(["a", "b", "c"], "a", 2), ["b", "c", "a"]);
  for (const [name, to] of /** @type {[string, number][]} */ ([
    ["x", 0],
    ["a", -1],
    ["c", 3],
  ])) {
    assert.deepEqual(movedTo(["a", "b", "c"], name, to), ["a", "b", "c"]);
  }
});
