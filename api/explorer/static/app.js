/** The app: which page is shown, and where the panels of the history stand. */
import { render } from "preact";
import { html } from "./html.js";
import { signedIn, useSignInWanted } from "./signals.js";
import { useView } from "./view.js";
import { History } from "./history.js";
import { Keys } from "./keys/keys.js";
import { Operator } from "./operator/operator.js";
import { SignIn } from "./sign_in/sign_in.js";

function App() {
  const view = useView();
  if (useSignInWanted()) return html`<${SignIn} signedIn=${signedIn} />`;
  const page = view.page === "operator" ? Operator : History;
  return html`<${page} view=${view} /><${Keys} />`;
}

const place = document.getElementById("app");
if (place) {
  place.replaceChildren();
  render(html`<${App} />`, place);
}
