// What `make lint-page` asks of the lab's scripts. They are put one after another into one script, so that names of one stand in another.
export default [
  {
    files: ["**/*.js"],
    languageOptions: { sourceType: "script", ecmaVersion: 2022 },
    rules: {
      "no-unused-vars": ["error", { vars: "local" }],
      "no-dupe-keys": "error",
      "no-unreachable": "error",
      "no-redeclare": "error",
      "no-const-assign": "error",
      "no-self-assign": "error",
      "valid-typeof": "error",
      "no-fallthrough": "error",
      eqeqeq: "error",
      "prefer-const": "error",
      "no-var": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
    },
  },
];
