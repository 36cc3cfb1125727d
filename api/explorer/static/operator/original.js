import { html } from "../html.js";
import { useAnswer } from "../service.js";
import { formatTime } from "../times.js";
import { visibleLines } from "../texts.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { bytesText } from "./texts.js";

/**
 * A dead letter with the original bytes of its event, as text.
 * @param {{id: string, zone: string}} props
 */
export function Original({ id, zone }) {
  const { answer, trouble, again } = useAnswer(`/admin/dead-letters/${id}`);
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (!answer) return html`<p class="soft">Asking …</p>`;
  const { encoding, size, is_whole: isWhole, reason, created_at: createdAt, original } = answer;
  const form = encoding === "utf-8" ? "as they came" : "in base64, because they are no UTF-8";
  return html`<div class="original">
    <p><span class="mono">${id}</span>, accepted ${formatTime(createdAt, zone)}</p>
    <p>${visibleLines(reason)}</p>
    <p class="soft">
      ${isWhole ? `All ${bytesText(size)}` : `The first 1 MiB of ${bytesText(size)}`}, ${form}:
    </p>
    <pre tabindex="0" aria-label="original bytes">${visibleLines(original)}</pre>
  </div>`;
}
