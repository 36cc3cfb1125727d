import { html } from "../html.js";
import { changeView } from "../view.js";
import { useWho } from "./who.js";

/** The name of the key; it opens `SignedIn`. Nothing while no key is needed. */
export function SignedInButton() {
  const key = useWho()?.session.key;
  if (!key) return null;
  const open = () => changeView({ panel: "account" });
  return html`<button type="button" class="plain" title="who is signed in" onClick=${open}>
    ${key.name || key.id}
  </button>`;
}
