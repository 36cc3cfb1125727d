/** Parts of the page that are loaded when they are first shown, each with its style sheets. */
import { useEffect, useState } from "preact/hooks";

import { html } from "./html.js";

/**
 * @param {() => Promise<any>} load gives the component
 * @param {string[]} styles the paths of its style sheets, which are in no other
 * @returns {(props: any) => any} the component, in whose place something stands until it is there
 */
export function later(load, ...styles) {
  /** @type {any} */
  let Part = null;
  return function Later(props) {
    const [state, setState] = useState(Part ? "there" : "loading");
    useEffect(() => {
      if (Part) return setState("there");
      let isShown = true;
      Promise.all([load(), ...styles.map(addStyles)]).then(
        ([part]) => ((Part = part), isShown && setState("there")),
        () => isShown && setState("failed"),
      );
      return () => void (isShown = false);
    }, []);
    if (Part) return html`<${Part} ...${props} />`;
    if (state === "failed") return html`<${NotLoaded} />`;
    return html`<p class="soft none loading" role="status">Loading …</p>`;
  };
}

/** @param {string} path */
function addStyles(path) {
  const href = new URL(path, import.meta.url).href;
  return new Promise((done, failed) => {
    const link = document.createElement("link");
    const failure = () => (link.remove(), failed(new Error(path)));
    Object.assign(link, { rel: "stylesheet", href, onload: done, onerror: failure });
    document.head.append(link);
  });
}

/** A browser may keep a failure as long as the page: only a new page is sure to try again. */
function NotLoaded() {
  const [isAway, setAway] = useState(false);
  const reload = () =>
    fetch(document.baseURI, { method: "HEAD", cache: "no-store" }).then(
      () => location.reload(),
      () => setAway(true),
    );
  return html`<div class="trouble" role="alert">
    <strong>This part of the page could not be loaded</strong>
    <p class="quiet">
      ${
        isAway
          ? "The service can't be reached yet."
          : "The service was updated since the page was opened, or can't be reached."
      }
      ${" "}Reload the page: the address holds all that is shown.
    </p>
    <button type="button" onClick=${reload}>Reload the page</button>
  </div>`;
}
