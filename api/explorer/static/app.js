/** The app: which page is shown, and where the panels of the history stand. */
import { render } from "preact";
import { html } from "./html.js";
import { useAnswer } from "./service.js";
import { signedIn, useSignInWanted } from "./signals.js";
import { useView } from "./view.js";
import { History } from "./history.js";
import { Keys } from "./keys/keys.js";
import { Operator } from "./operator/operator.js";
import { SignIn } from "./sign_in/sign_in.js";
import { mustSignIn, WhoProvider } from "./sign_in/who.js";
import { PanelTrouble } from "./trouble/panel_trouble.js";

function App() {
  const view = useView();
  // Asked before anything else, so that no panel asks what it would be refused.
  const { answer: session, trouble, again } = useAnswer("/session");
  const isWanted = useSignInWanted();
  if (!session) return trouble && html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (isWanted || mustSignIn(session)) {
    const done = () => (again(), signedIn());
    return html`<${SignIn} signedIn=${done} hasEnded=${session.key !== null} />`;
  }
  const page = view.page === "operator" ? Operator : History;
  return html`<${WhoProvider} value=${{ session, again }}>
    <${page} view=${view} /><${Keys} />
  <//>`;
}

const place = document.getElementById("app");
if (place) {
  place.replaceChildren();
  render(html`<${App} />`, place);
}
