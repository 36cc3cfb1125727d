import { useState } from "preact/hooks";

import { html } from "./html.js";
import { changeView } from "./view.js";
import { eventParams } from "./filters.js";
import { useMoment } from "./moment.js";
import { useAction } from "./keys/actions.js";
import { Panel } from "./panel.js";
import { TopBar } from "./top_bar.js";
import { useStatistics } from "./histogram/statistics.js";
import { Summary } from "./histogram/summary.js";
import { Histogram } from "./histogram/histogram.js";
import { Chips } from "./question/chips.js";
import { Facets } from "./facets/facets.js";
import { Table } from "./table/table.js";
import { later } from "./later.js";
import { NewRows } from "./live/new_rows.js";
import { Banners } from "./trouble/banners.js";
import { PanelTrouble } from "./trouble/panel_trouble.js";
import { ExportNotice } from "./export/notice.js";
import { ShareKey } from "./views/share.js";
import { Dialogs } from "./dialogs.js";

const Detail = later(
  () => import("./detail/detail.js").then((part) => part.Detail),
  "detail/detail.css",
);
const Around = later(
  () => import("./around/around.js").then((part) => part.Around),
  "around/around.css",
);
const Person = later(
  () => import("./person/person.js").then((part) => part.Person),
  "around/around.css",
  "person/person.css",
);
const Live = later(() => import("./live/live.js").then((part) => part.Live));

/** What `counts` of a live view says where there is none. */
const NO_LIVE = { live: 0, added: 0, isCut: false };

/**
 * The page of the history. All panels get the same view and the same `params`: what they ask.
 * @param {{view: import("./view.js").View}} props
 */
export function HistoryPage({ view }) {
  const { moment, trouble, refresh } = useMoment();
  const params = eventParams(view, moment);
  const [live, setLive] = useState(/** @type {import("./live/live.js").Shown | null} */ (null));
  const counted = useStatistics(view, params);
  const statistics = { ...counted, ...(live?.counts ?? NO_LIVE) };
  const shared = { view, params, moment };
  const toTable = () => changeView({ panel: "" });
  useAction("back", toTable, view.panel === "facets");
  return html`<${TopBar} ...${shared} statistics=${statistics} />
    <${Banners} view=${view} moment=${moment} />
    <main class=${classOf(view)}>
      <div class="under-bar">
        <${Summary} ...${shared} statistics=${statistics} refresh=${refresh} />
        <${Chips} view=${view} />
        <${Panel} name="live">
          ${view.live && html`<${Live} ...${{ view, moment, refresh, counted, setLive }} />`}
        <//>
        <${ExportNotice} view=${view} />
      </div>
      ${
        trouble
          ? html`<${PanelTrouble} trouble=${trouble} again=${refresh} />`
          : html`<${Panel} name="histogram">
              <${Histogram} ...${shared} statistics=${statistics} />
            <//>`
      }
      <${Panel} name="facets">
        <button type="button" class="plain only-narrow close" onClick=${toTable}>Done</button>
        <${Facets} ...${shared} live=${statistics.live} />
      <//>
      <${Panel} name="rows"><${AllRows} ...${shared} live=${live} /><//>
      ${view.event && html`<${Aside} view=${view} />`}
    </main>
    <${Dialogs} ...${shared} /><${ShareKey} view=${view} />`;
}

/**
 * The rows of the pages, and what is stored after them while the view is live.
 * @param {{view: import("./view.js").View, params: import("./service.js").Params | null,
 *   moment: import("./filters.js").Moment | null, live: import("./live/live.js").Shown | null}} props
 */
function AllRows({ live, ...shared }) {
  const isDown = shared.view.order === "desc";
  const newer = isDown ? live?.rows : undefined;
  return html`<${Table}
      ...${shared}
      newer=${newer}
      isCut=${isDown && (live?.dropped ?? 0) > 0}
      away=${live?.setAway}
      tops=${live?.shown}
    />
    <${NewRows} live=${live} />`;
}

/** @param {import("./view.js").View} view */
function classOf({ event, panel }) {
  if (panel === "facets") return "with-facets";
  return event ? "with-detail" : "";
}

/** @param {{view: import("./view.js").View}} props */
function Aside({ view }) {
  const close = () => changeView({ event: "", panel: "" });
  const [name] = view.panel.split(":"); // `around:component`
  const panel = name === "around" || name === "person" ? name : "detail";
  return html`<aside aria-label="the selected event">
    <button type="button" class="plain close" aria-label="close" onClick=${close}>×</button>
    <${Panel} name=${panel} key=${panel}>
      ${
        panel === "around"
          ? html`<${Around} view=${view} />`
          : panel === "person"
            ? html`<${Person} view=${view} />`
            : html`<${Detail} view=${view} />`
      }
    <//>
  </aside>`;
}
