/** What completes the question that is written. It is in the page while that is wanted. */
import { useLayoutEffect } from "preact/hooks";

import { html } from "../html.js";
import { placeAt } from "./completion.js";
import { writtenIn } from "./draft.js";
import { OptionList } from "./option_list.js";
import { useOptions } from "./options.js";

/**
 * @param {{draft: import("./draft.js").Draft, params: import("../service.js").Params | null,
 *   accept: (option: import("./completion.js").Option) => void,
 *   setFound: (found: import("./draft.js").Found) => void}} props `setFound` is told what keys choose
 */
export function Completions({ draft, params, accept, setFound }) {
  const place = placeAt(draft.text, draft.caret);
  const options = useOptions(place, params);
  const of = writtenIn(draft);
  useLayoutEffect(
    () => setFound({ of, place, options }),
    [of, options.map(({ text }) => text).join("\n")],
  );
  return (
    options.length > 0 && html`<${OptionList} ...${{ options, accept }} active=${draft.active} />`
  );
}
