import js from "@eslint/js";
import globals from "globals";

// Event text never becomes HTML, and no text becomes code: the page's policy forbids both as well.
const MARKUP = [
  "innerHTML",
  "outerHTML",
  "insertAdjacentHTML",
  "dangerouslySetInnerHTML",
  "srcdoc",
];

// Modules are served one after the other in one scope, and without indentation: a name at the top of
// one must be no name of the browser, which others may mean, and a text must not go on over lines.
const NAMED = `[id.name=/^(?:${Object.keys(globals.browser).join("|")})$/]`;
const TOPS = ["Program", "Program > ExportNamedDeclaration"].flatMap((place) => [
  `${place} > :matches(FunctionDeclaration, ClassDeclaration)${NAMED}`,
  `${place} > VariableDeclaration > VariableDeclarator${NAMED}`,
]);
const IN_ONE_SCOPE = [
  ...TOPS.map((selector) => ({ selector, message: "The browser has this name." })),
  {
    selector: ":not(TaggedTemplateExpression) > TemplateLiteral > TemplateElement[value.raw=/\\n/]",
    message: "Write \\n: lines lose their indentation.",
  },
];

const NO_MARKUP = MARKUP.map((name) => ({
  selector: `TemplateElement[value.raw=/\\b${name}\\b/]`,
  message: `${name} makes HTML of text.`,
}));

export default [
  { ignores: ["api/explorer/static/vendor/"] },
  js.configs.recommended,
  {
    files: ["api/explorer/static/**/*.js"],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ["tests/browser/js/**/*.js"],
    languageOptions: { globals: globals.nodeBuiltin },
  },
  {
    rules: {
      eqeqeq: "error",
      "max-lines": ["error", { max: 200 }],
      "max-lines-per-function": ["error", { max: 50 }],
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-properties": ["error", ...MARKUP.map((property) => ({ property }))],
      "no-restricted-syntax": ["error", ...NO_MARKUP],
    },
  },
  {
    files: ["tests/browser/js/**/*.js"],
    rules: { "max-lines-per-function": "off" },
  },
  {
    files: ["api/explorer/static/**/*.js"],
    rules: { "no-restricted-syntax": ["error", ...IN_ONE_SCOPE, ...NO_MARKUP] },
  },
];
