import { html } from "../html.js";
import { useState } from "preact/hooks";
import { formatTime } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { RateChart } from "./rate_chart.js";
import { minuteText } from "./rates_model.js";
import { usePolled } from "./use_polled.js";

/** @type {[import("./rates_model.js").Field, string][]} */
const CHARTS = [
  ["accepted", "--bar"],
  ["stored", "--good"],
  ["rejected", "--bad"],
];

/**
 * What was accepted, stored and rejected in each minute of the last hour.
 * @param {{zone: string}} props
 */
export function Rates({ zone }) {
  const { answer, trouble, again } = usePolled("/admin/rates", 30);
  const [pointed, setPointed] = useState(/** @type {number | null} */ (null));
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (!answer) return html`<p class="soft">Asking …</p>`;
  const { minutes } = answer;
  const minute = pointed === null ? undefined : minutes[pointed];
  return html`${CHARTS.map(
      ([field, color]) =>
        html`<${RateChart}
          key=${field}
          minutes=${minutes}
          field=${field}
          color=${color}
          zone=${zone}
          point=${setPointed}
        />`,
    )}
    <p class="soft pointed" aria-live="off">
      ${
        minute
          ? `${formatTime(minute.minute, zone, "minute")}: ${minuteText(minute)}`
          : "Point at a minute for its figures. Grey minutes are unknown, not empty."
      }
    </p>`;
}
