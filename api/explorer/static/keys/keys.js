/** The keyboard of the page: listens to every key, shows the table of keys, moves between panels. */
import { useEffect, useState } from "preact/hooks";

import { Dialog } from "../dialog/dialog.js";
import { html } from "../html.js";
import { changeView, useView } from "../view.js";
import { onKeyDown, useAction } from "./actions.js";
import { later } from "../later.js";

const KeysHelp = later(() => import("./keys_help.js").then((part) => part.KeysHelp));

/** @typedef {import("../view.js").View} View */

/** Put once into the app. */
export function Keys() {
  const [isShown, setShown] = useState(false);
  useAction("keys", () => setShown(true));
  useEffect(() => {
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
  usePanels(useView());
  if (!isShown) return null;
  return html`<${Dialog} title="Keys" close=${() => setShown(false)}><${KeysHelp} /><//>`;
}

/** The keys that change the view only. @param {View} view */
function usePanels(view) {
  const open = (/** @type {string} */ panel) => () => changeView({ panel });
  const isHistory = view.page === "history";
  useAction("export", open("export"), isHistory);
  useAction("views", open("views"), isHistory);
  useAction("around", open("around"), isHistory && view.event !== "");
  useAction("person", open("person"), isHistory && view.event !== "");
  useAction("back", () => back(view), view.panel !== "" || view.event !== "");
}

/** Close what is open over the rows: first what stands in place of the detail. @param {View} view */
function back({ panel }) {
  changeView(panel ? { panel: "" } : { event: "", panel: "" });
}
