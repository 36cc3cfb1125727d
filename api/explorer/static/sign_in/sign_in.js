import { html } from "../html.js";

/** Gets {signedIn: () => void}. */
export function SignIn() {
  return html`<p class="quiet">Sign in</p>`;
}
