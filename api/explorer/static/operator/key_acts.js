import { html } from "../html.js";
import { Dialog } from "../dialog/dialog.js";
import { sendJson } from "../service.js";
import { Confirm } from "./confirm.js";
import { NewKey } from "./new_key.js";
import { showToken } from "./token.js";

/**
 * The dialog of one act on keys. The token of a new key is shown when it is closed.
 * @param {{asked: import("./api_keys.js").Asked, changed: () => void, close: () => void}} props
 */
export function KeyActs({ asked, changed, close }) {
  /** @param {import("./token.js").Made} answer */
  const show = (answer) => {
    showToken(answer);
    close();
    changed();
  };
  if (asked.act === "create") {
    return html`<${Dialog} title="New key" close=${close}>
      <${NewKey} made=${show} close=${close} />
    <//>`;
  }
  const { key } = asked;
  if (asked.act === "rotate") return html`<${Rotate} of=${key} made=${show} close=${close} />`;
  return html`<${Revoke} of=${key} changed=${changed} close=${close} />`;
}

/** @param {{of: any, made: (answer: any) => void, close: () => void}} props */
function Rotate({ of: key, made, close }) {
  const act = async () => {
    const { body } = await sendJson("POST", `/admin/keys/${key.id}/rotate`, {});
    made(body);
  };
  return html`<${Confirm}
    title=${`Rotate the key ${key.name}?`}
    button="Make the new key"
    act=${act}
    close=${close}
  >
    <p>
      A new key gets the same grants, and its token is shown once. The old one (${key.id}) stays
      valid for 24 hours, then it ends for good.
    </p>
  <//>`;
}

/** @param {{of: any, changed: () => void, close: () => void}} props */
function Revoke({ of: key, changed, close }) {
  const act = async () => {
    await sendJson("POST", `/admin/keys/${key.id}/revoke`, {});
    close();
    changed();
  };
  return html`<${Confirm}
    title=${`Revoke the key ${key.name}?`}
    button="Revoke it for good"
    isDanger
    act=${act}
    close=${close}
  >
    <p>
      Whoever sends the key ${key.id} gets 401 within a second. This can't be undone; if you are
      signed in with this key, you are signed out.
    </p>
  <//>`;
}
