"use strict";
// Cells of the table of runs that are more than a text. React puts texts in as texts.
var dagcomponentfuncs = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});

dagcomponentfuncs.ExptoolsRun = (props) =>
  React.createElement("span", null,
    React.createElement("i", { className: "swatch", style: { background: (props.data && props.data.color) || "transparent" } }),
    props.value);

dagcomponentfuncs.ExptoolsState = (props) => {
  const state = props.value;
  if (!state) return null;
  return React.createElement("span", null, React.createElement("i", { className: `dot ${state}` }), String(state).toLowerCase());
};

dagcomponentfuncs.ExptoolsSpark = (props) => {
  const values = props.value;
  if (!values || !values.length) return null;
  const [width, height] = [104, 20];
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let isDrawing = false;
  values.forEach((value, i) => {
    if (value === null) { isDrawing = false; return; }
    path += `${isDrawing ? "L" : "M"}${(i * step).toFixed(1)} ${(height - 2 - value * (height - 4)).toFixed(1)}`;
    isDrawing = true;
  });
  return React.createElement("svg", { width, height, className: "spark-line", role: "img", "aria-label": "curve" },
    React.createElement("path", { d: path, fill: "none", stroke: (props.data && props.data.color) || "currentColor", strokeWidth: 1.3 }));
};
