/** What is wrong with the service, over all panels: lag, a paused shard, a server that is away. */
import { html } from "../html.js";
import { useHealth } from "./use_health.js";
import { warningsOf } from "./health.js";

/** Put once into the page. */
export function Banners() {
  const warnings = warningsOf(useHealth());
  return html`<div class="banners" role="status">
    ${warnings.map(
      ({ name, text, more }) =>
        html`<p key=${name} class="banner">
          <span aria-hidden="true">⚠</span>
          <span>${text} ${more && html`<small>${more}</small>`}</span>
        </p>`,
    )}
  </div>`;
}
