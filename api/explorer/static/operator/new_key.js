import { html } from "../html.js";
import { useState } from "preact/hooks";
import { asTrouble, sendJson } from "../service.js";
import { EMPTY, LIVES, SCOPES, bodyOf, faultOf } from "./key_form.js";

/**
 * The form of a new key. A fault stands at its field.
 * @param {{made: (answer: {key: any, token: string}) => void, close: () => void}} props
 */
export function NewKey({ made, close }) {
  const [form, setForm] = useState(/** @type {import("./key_form.js").Form} */ ({ ...EMPTY }));
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState(
    /** @type {import("../service.js").Trouble | null} */ (null),
  );
  /** @param {Partial<import("./key_form.js").Form>} changes */
  const change = (changes) => setForm({ ...form, ...changes });
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setTrouble(null);
    try {
      const { body } = await sendJson("POST", "/admin/keys", bodyOf(form, Date.now()));
      made(body);
    } catch (error) {
      setTrouble(asTrouble(error));
      setBusy(false);
    }
  };
  const shared = { form, change, trouble };
  return html`<form class="new-key" onSubmit=${submit}>
    <${TextField} ...${shared} name="name" label="Name: who uses it" required />
    <${Scopes} ...${shared} />
    <${TextField}
      ...${shared}
      name="components"
      label="Components"
      hint="all, or e.g. billing pay-*"
    />
    <${TextField}
      ...${shared}
      name="environments"
      label="Environments"
      hint="all, or e.g. prod-*"
    />
    <${TextField} ...${shared} name="events_per_second" label="Events a second" hint="no limit" />
    <${TextField} ...${shared} name="events_per_day" label="Events a day" hint="no limit" />
    <${Life} ...${shared} />
    ${trouble && html`<p class="trouble" role="alert">${trouble.detail}</p>`}
    <div class="acts">
      <button type="button" onClick=${close}>Cancel</button>
      <button type="submit" class="main" disabled=${busy || form.scopes.length === 0}>
        Make the key
      </button>
    </div>
  </form>`;
}

/**
 * @typedef {{form: import("./key_form.js").Form, change: (changes: Partial<import("./key_form.js").Form>) => void,
 *   trouble: import("../service.js").Trouble | null}} Shared
 */

/** @param {Shared & {name: import("./key_form.js").TextField, label: string, hint?: string, required?: boolean}} props */
function TextField({ form, change, trouble, name, label, hint = "", required = false }) {
  const fault = faultOf(trouble, name);
  return html`<label>
    <span>${label}</span>
    <input
      value=${form[name]}
      placeholder=${hint}
      required=${required}
      maxlength="2000"
      autocomplete="off"
      aria-invalid=${fault !== ""}
      onInput=${(/** @type {any} */ event) => change({ [name]: event.currentTarget.value })}
    />
    ${fault && html`<small class="fault">${fault}</small>`}
  </label>`;
}

/** @param {Shared} props */
function Scopes({ form, change, trouble }) {
  const fault = faultOf(trouble, "scopes");
  /** @param {string} scope */
  const toggle = (scope) => {
    const without = form.scopes.filter((each) => each !== scope);
    change({ scopes: without.length < form.scopes.length ? without : [...without, scope] });
  };
  return html`<fieldset>
    <legend>It may (none includes another)</legend>
    ${SCOPES.map(
      ([scope, told]) =>
        html`<label key=${scope}>
          <input
            type="checkbox"
            checked=${form.scopes.includes(scope)}
            onChange=${() => toggle(scope)}
          />
          <b>${scope}</b> <span class="soft">${told}</span>
        </label>`,
    )}
    ${fault && html`<small class="fault">${fault}</small>`}
  </fieldset>`;
}

/** @param {Shared} props */
function Life({ form, change }) {
  return html`<label>
    <span>It ends</span>
    <select
      value=${form.life}
      onChange=${(/** @type {any} */ event) => change({ life: event.currentTarget.value })}
    >
      ${LIVES.map(([days, label]) => html`<option value=${days}>${label}</option>`)}
    </select>
  </label>`;
}
