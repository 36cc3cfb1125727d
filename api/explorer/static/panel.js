import { Component } from "preact";
import { html } from "./html.js";
import { PanelTrouble } from "./trouble/panel_trouble.js";
import { asTrouble } from "./service.js";

/**
 * Keeps a fault of one panel from taking the page with it.
 * @typedef {{name: string, children?: import("preact").ComponentChildren}} Props
 * @typedef {{trouble: import("./service.js").Trouble | null}} State
 * @extends {Component<Props, State>}
 */
export class Panel extends Component {
  /** @type {State} */
  state = { trouble: null };

  /** @param {unknown} error */
  componentDidCatch(error) {
    reportError(error); // to the console
    this.setState({ trouble: asTrouble(error) });
  }

  render() {
    const { name, children } = this.props;
    const { trouble } = this.state;
    const again = () => this.setState({ trouble: null });
    return html`<section class=${`panel ${name}`} aria-label=${name}>
      ${trouble ? html`<${PanelTrouble} trouble=${trouble} again=${again} />` : children}
    </section>`;
  }
}
