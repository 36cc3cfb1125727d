import { html } from "../html.js";

/**
 * Says that a server could not be asked, so that a list may lack something.
 * @param {{failures: Record<string, string> | undefined, what: string}} props
 */
export function Failures({ failures = {}, what }) {
  const found = Object.entries(failures);
  if (found.length === 0) return null;
  return html`<p class="attention" role="status">
    ${found.map(([home, why]) => `${home} could not be asked or told (${why})`).join("; ")}: ${what}
    that only it has are missing here.
  </p>`;
}
