/** The app: which page is shown, and where the panels of the history stand. */
import { render } from "preact";
import { html } from "./html.js";
import { useAnswer } from "./service.js";
import { signedIn, useSignInWanted } from "./signals.js";
import { useView } from "./view.js";
import { HistoryPage } from "./history.js";
import { Keys } from "./keys/keys.js";
import { later } from "./later.js";
import { mustSignIn, WhoProvider } from "./sign_in/who.js";
import { PanelTrouble } from "./trouble/panel_trouble.js";

const Operator = later(
  () => import("./operator/operator.js").then((part) => part.Operator),
  "operator/operator.css",
);
const SignIn = later(
  () => import("./sign_in/sign_in.js").then((part) => part.SignIn),
  "sign_in/sign_in.css",
);

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
  const page = view.page === "operator" ? Operator : HistoryPage;
  return html`<${WhoProvider} value=${{ session, again }}>
    <${page} view=${view} /><${Keys} />
  <//>`;
}

const place = document.getElementById("app");
if (place) {
  place.replaceChildren();
  render(html`<${App} />`, place);
}
