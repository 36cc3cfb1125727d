/** Named views in the browser's storage. Pure but for the storage that it is given. */

/**
 * @typedef {{name: string, search: string, saved: string}} NamedView
 * `search`: the query string of the view; `saved`: when, in RFC 3339.
 * @typedef {Pick<Storage, "getItem" | "setItem">} Store
 */

export const MAX_VIEWS = 200;
export const MAX_NAME = 100;

/** Why views can't be kept, in words for the reader. */
export class Unkept extends Error {}

export class NamedViews {
  /**
   * @param {() => Store} storage may throw: a browser may forbid it
   * @param {string} key
   */
  constructor(storage, key) {
    this.storage = storage;
    this.key = key;
  }

  /** All of them, by name. @returns {NamedView[]} */
  list() {
    const text = this.#try(() => this.storage().getItem(this.key));
    return text === null
      ? []
      : viewsOf(text).sort((one, other) => one.name.localeCompare(other.name));
  }

  /**
   * Keep a view; one of the same name is replaced.
   * @param {NamedView} view
   */
  save(view) {
    const others = this.list().filter(({ name }) => name !== view.name);
    if (others.length >= MAX_VIEWS)
      throw new Unkept(`There are ${MAX_VIEWS} views: delete one first.`);
    this.#write([...others, { ...view, name: view.name.slice(0, MAX_NAME) }]);
  }

  /**
   * Give a view another name. One that has it already stays: then nothing is done.
   * @param {string} from
   * @param {string} to
   */
  rename(from, to) {
    const views = this.list();
    if (from === to) return;
    if (views.some(({ name }) => name === to))
      throw new Unkept(`There is a view of the name ${to}.`);
    this.#write(
      views.map((view) => (view.name === from ? { ...view, name: to.slice(0, MAX_NAME) } : view)),
    );
  }

  /** @param {string} name */
  remove(name) {
    this.#write(this.list().filter((view) => view.name !== name));
  }

  /** @param {NamedView[]} views */
  #write(views) {
    this.#try(() => this.storage().setItem(this.key, JSON.stringify(views)));
  }

  /**
   * @template T
   * @param {() => T} act
   * @returns {T}
   */
  #try(act) {
    try {
      return act();
    } catch (error) {
      const isFull = error instanceof Error && error.name === "QuotaExceededError";
      throw new Unkept(
        isFull
          ? "The browser's storage is full: delete a view."
          : "This browser keeps nothing for this page. A link keeps a view too: copy it, or set a bookmark.",
      );
    }
  }
}

/**
 * Read what is stored; what another program wrote there is left out.
 * @param {string} text
 * @returns {NamedView[]}
 */
function viewsOf(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter(isView) : [];
  } catch {
    return [];
  }
}

/** @param {any} value */
const isView = (value) => typeof value?.name === "string" && typeof value.search === "string";
