import { html } from "./html.js";
import { changeView } from "./view.js";
import { Dialog } from "./dialog/dialog.js";
import { later } from "./later.js";

const ExportPanel = later(
  () => import("./export/export_panel.js").then((part) => part.ExportPanel),
  "export/export.css",
);
const SignedIn = later(
  () => import("./sign_in/signed_in.js").then((part) => part.SignedIn),
  "sign_in/sign_in.css",
);
const Views = later(() => import("./views/views.js").then((part) => part.Views), "views/views.css");

/** @type {Record<string, [string, any]>} */
const DIALOGS = {
  export: ["Export", ExportPanel],
  views: ["Views", Views],
  account: ["Signed in", SignedIn],
};

/**
 * The dialog that `view.panel` names, if it names one.
 * @param {{view: import("./view.js").View}} props and what all panels get
 */
export function Dialogs(props) {
  const [title, Inside] = DIALOGS[props.view.panel] ?? [];
  if (!title) return null;
  const close = () => changeView({ panel: "" });
  return html`<${Dialog} title=${title} close=${close}><${Inside} ...${props} /><//>`;
}
