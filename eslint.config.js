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
      "no-restricted-syntax": [
        "error",
        ...MARKUP.map((name) => ({
          selector: `TemplateElement[value.raw=/\\b${name}\\b/]`,
          message: `${name} makes HTML of text.`,
        })),
      ],
    },
  },
  {
    files: ["tests/browser/js/**/*.js"],
    rules: { "max-lines-per-function": "off" },
  },
];
