/** The same question as command lines. Pure. */

/**
 * Quote a text for sh, bash and zsh, so that it is one word and nothing in it is run.
 * @param {string} text
 */
export function shellQuoted(text) {
  // A NUL can't be in an argument of a program.
  const clean = text.replaceAll("\0", "");
  return /^[\w/:.,=@%+-]+$/.test(clean) && !clean.startsWith("=")
    ? clean
    : `'${clean.replaceAll("'", `'\\''`)}'`;
}

/**
 * @typedef {import("../service.js").Params} Params
 * @typedef {"ndjson" | "csv"} Format
 */

/** @type {Record<string, string>} the options of `activity query` that the parameters of a view need */
const OPTIONS = {
  from_date: "--from-date",
  to_date: "--to-date",
  occurred_from: "--occurred-from",
  occurred_to: "--occurred-to",
};

/**
 * The export as a line with curl, which goes on to a file that the service names.
 * @param {string} address of `/events/export`
 * @param {Params} params
 */
export function curlLine(address, params) {
  const parts = ["curl", "-G", shellQuoted(address), "--fail", "--compressed", "-OJ"];
  parts.push('${ACTIVITY_KEY:+"-HAuthorization: Bearer $ACTIVITY_KEY"}');
  for (const [name, value] of given(params))
    parts.push("--data-urlencode", shellQuoted(`${name}=${value}`));
  return parts.join(" ");
}

/**
 * The export as a line with `activity query`, which goes on by itself over any break.
 * @param {string} root the address of the service
 * @param {Params} params
 * @param {{format: Format, columns: string[], file: string}} form
 */
export function activityLine(root, params, { format, columns, file }) {
  const parts = [
    "activity",
    "query",
    `--url=${root}`,
    "--all",
    format === "csv" ? "--csv" : "--json",
  ];
  if (format === "csv" && columns.length) parts.push(`--columns=${columns.join(",")}`);
  for (const [name, value] of given(params)) {
    if (OPTIONS[name]) parts.push(`${OPTIONS[name]}=${value}`);
  }
  parts.push(`--output=${file}`);
  const words = parts.map(shellQuoted);
  const question = String(params.q ?? "");
  if (question) words.push("--", shellQuoted(question));
  return words.join(" ");
}

/** @param {Params} params @returns {[string, string][]} */
function given(params) {
  return Object.entries(params)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [name, String(value)]);
}
