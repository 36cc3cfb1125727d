import { html } from "./html.js";
import { changeView } from "./view.js";
import { eventParams } from "./filters.js";
import { useMoment } from "./moment.js";
import { useAction } from "./keys/actions.js";
import { Panel } from "./panel.js";
import { TopBar } from "./top_bar.js";
import { useStatistics } from "./histogram/statistics.js";
import { Summary } from "./histogram/summary.js";
import { useLiveCounts } from "./histogram/use_live_counts.js";
import { Histogram } from "./histogram/histogram.js";
import { Chips } from "./question/chips.js";
import { Facets } from "./facets/facets.js";
import { Table } from "./table/table.js";
import { Detail } from "./detail/detail.js";
import { Around } from "./around/around.js";
import { Person } from "./person/person.js";
import { Live } from "./live/live.js";
import { NewRows } from "./live/live_bar.js";
import { useLive } from "./live/use_live.js";
import { Banners } from "./trouble/banners.js";
import { PanelTrouble } from "./trouble/panel_trouble.js";
import { ExportNotice } from "./export/progress.js";
import { ShareKey } from "./views/share.js";
import { Dialogs } from "./dialogs.js";

/**
 * The page of the history. All panels get the same view and the same `params`: what they ask.
 * @param {{view: import("./view.js").View}} props
 */
export function History({ view }) {
  const { moment, trouble, refresh } = useMoment();
  const params = eventParams(view, moment);
  const live = useLive(view, moment, refresh);
  const statistics = useLiveCounts(view, useStatistics(view, params), live, refresh);
  const shared = { view, params, moment };
  const toTable = () => changeView({ panel: "" });
  useAction("back", toTable, view.panel === "facets");
  return html`<${TopBar} ...${shared} statistics=${statistics} />
    <${Banners} view=${view} moment=${moment} />
    <main class=${classOf(view)}>
      <div class="under-bar">
        <${Summary} ...${shared} statistics=${statistics} refresh=${refresh} />
        <${Chips} view=${view} />
        <${Panel} name="live"><${Live} view=${view} live=${live} /><//>
        <${ExportNotice} view=${view} />
      </div>
      ${trouble && html`<${PanelTrouble} trouble=${trouble} again=${refresh} />`}
      <${Panel} name="histogram"><${Histogram} ...${shared} statistics=${statistics} /><//>
      <${Panel} name="facets">
        <button type="button" class="plain only-narrow close" onClick=${toTable}>Done</button>
        <${Facets} ...${shared} />
      <//>
      <${Panel} name="rows"><${Rows} ...${shared} live=${live} /><//>
      ${view.event && html`<${Aside} view=${view} />`}
    </main>
    <${Dialogs} ...${shared} /><${ShareKey} view=${view} />`;
}

/**
 * The rows of the pages, and what is stored after them while the view is live.
 * @param {{view: import("./view.js").View, params: import("./service.js").Params | null,
 *   moment: import("./filters.js").Moment | null, live: import("./live/use_live.js").Live | null}} props
 */
function Rows({ live, ...shared }) {
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
