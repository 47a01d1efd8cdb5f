"use strict";
// Functions that the table of runs calls by name.
var dagfuncs = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});

const exptoolsField = (params) => params.colDef && params.colDef.field;

dagfuncs.exptoolsWhole = (params) => {
  const field = exptoolsField(params);
  const texts = (params.data && params.data.texts) || {};
  if (field in texts) return texts[field];
  const value = params.data && params.data[field];
  return value === null || value === undefined ? "" : String(value);
};

dagfuncs.exptoolsText = (params) => {
  const field = exptoolsField(params);
  const texts = (params.data && params.data.texts) || {};
  if (field in texts) return texts[field];
  if (typeof params.value !== "number") return params.value === null || params.value === undefined ? "" : String(params.value);
  const size = Math.abs(params.value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return params.value.toExponential(3);
  return String(Number(params.value.toPrecision(5)));
};

dagfuncs.exptoolsNatural = (a, b) => String(a).localeCompare(String(b), "en", { numeric: true });

dagfuncs.exptoolsTheme = (theme) => theme.withParams({
  fontFamily: "inherit", fontSize: 13, spacing: 5, wrapperBorderRadius: 6, headerFontWeight: 600,
  backgroundColor: "var(--card)", foregroundColor: "var(--text)", borderColor: "var(--line)",
  headerBackgroundColor: "var(--head)", accentColor: "var(--accent)", rowHoverColor: "var(--hover)",
  selectedRowBackgroundColor: "var(--chosen)", browserColorScheme: "inherit",
});
