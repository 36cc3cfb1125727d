import { render } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../dialog/dialog.js";
import { html } from "../html.js";

/** @typedef {{key: {name: string}, token: string}} Made */

/**
 * Show the token of a new key, beside the app: the first key closes the service, and then the app
 * becomes the sign-in, for which this token is needed.
 * @param {Made} made
 */
export function showToken(made) {
  const place = document.createElement("div");
  document.body.append(place);
  const close = () => {
    render(null, place);
    place.remove();
  };
  const title = `The key ${made.key.name}`;
  const dialog = html`<${Dialog} title=${title} close=${close} isFirm>
    <${Token} made=${made} close=${close} />
  <//>`;
  render(dialog, place);
}

/**
 * The token of a new key. It is kept nowhere: once this is closed, nobody can show it again.
 * @param {{made: Made, close: () => void}} props
 */
function Token({ made, close }) {
  const [told, setTold] = useState("");
  const copy = () =>
    navigator.clipboard?.writeText(made.token).then(
      () => setTold("copied"),
      () => setTold("not copied: select the text"),
    );
  return html`<div class="confirm">
    <p>
      This is its token, and this is the only time it is shown: it is kept nowhere. Put it where the
      program reads it from, and treat it as a password.
    </p>
    <p class="token">
      <input
        readonly
        aria-label="token"
        class="mono"
        value=${made.token}
        onFocus=${(/** @type {any} */ event) => event.currentTarget.select()}
      />
      ${navigator.clipboard && html`<button type="button" onClick=${copy}>Copy</button>`}
    </p>
    <p class="soft" role="status">${told}</p>
    <div class="acts">
      <button type="button" class="main" onClick=${close}>I have kept it</button>
    </div>
  </div>`;
}
