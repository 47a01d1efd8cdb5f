"use strict";
// What comes from the runs is put in as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const FIRST = 4; // scalars that are drawn before anybody asks

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

function counted(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

// --- the state of the page, kept in its address --------------------------------------------------------

const state = { lines: "means", x: "step", smoothing: 0, log: false, tags: [], hidden: [] };

function restore() {
  try {
    Object.assign(state, JSON.parse(decodeURIComponent(location.hash.slice(1))));
  } catch {
    state.tags = data.curves.tags.slice(0, FIRST).map((curve) => curve.tag);
    Object.assign(state, data.begins_as);
  }
  if (!data.curves.most) state.lines = "means";
  $("lines").value = state.lines;
  $("x").value = state.x;
  $("smoothing").value = $("weight").value = state.smoothing;
  $("log").checked = state.log;
}

function changed() {
  history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(state)));
  draw();
}

// --- curves ----------------------------------------------------------------------------------------------

// TensorBoard's debiased exponential moving average: what is not finite stays, and counts for nothing.
function smoothed(values, weight) {
  if (!weight || values.every((value) => value === values[0])) return values;
  let last = 0;
  let n = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    last = last * weight + (1 - weight) * value;
    n += 1;
    return last / (1 - weight ** n);
  });
}

function faded(color, alpha) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}

function ofMean(group, mean) {
  const found = mean[state.x];
  if (!found.x || !found.x.length) return [];
  const [x, center, low, high] = ["x", "center", "low", "high"].map((name) => floats(found[name]));
  const band = low.some((value) => !Number.isNaN(value));
  const n = mean.n === mean.of ? `${mean.n}` : `${mean.n} of ${mean.of}`;
  const traces = [{
    x, y: smoothed(center, state.smoothing), name: `${group.label} (${n})`, mode: x.length < 2 ? "markers" : "lines",
    line: { color: group.color, dash: group.dash, width: 1.8 },
  }];
  if (band) {
    const edge = { mode: "lines", line: { width: 0 }, hoverinfo: "skip", connectgaps: false };
    traces.unshift({ x, y: low, ...edge },
      { x, y: high, ...edge, fill: "tonexty", fillcolor: faded(group.color, 0.18) });
  }
  return traces;
}

function ofRuns(group, runs) {
  return group.runs.filter((i) => i in runs).flatMap((i) => {
    const [x, y] = [floats(runs[i][state.x]), floats(runs[i].value)];
    const name = `${data.runs[i].name} (${group.label})`;
    const line = { color: group.color, dash: group.dash, width: 1.2 };
    const raw = state.smoothing ? [{ x, y, mode: "lines", hoverinfo: "skip",
      line: { color: faded(group.color, 0.25), width: 1 } }] : [];
    return [...raw, { x, y: smoothed(y, state.smoothing), name, line, mode: x.length < 2 ? "markers" : "lines" }];
  });
}

function layout() {
  const css = getComputedStyle(document.documentElement);
  const [text, line] = ["--faint", "--line"].map((name) => css.getPropertyValue(name).trim());
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return {
    margin: { l: 46, r: 12, t: 8, b: 38 }, showlegend: false, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, size: 12 },
    xaxis: { ...axis, title: { text: state.x === "step" ? "step" : "hours", standoff: 6 }, exponentformat: "SI" },
    yaxis: { ...axis, type: state.log ? "log" : "linear" },
    hoverlabel: { namelength: -1, font: { size: 12 } },
  };
}

// A label may look like one of plotly's tags: <b>, <br>.
function inert(trace) {
  return trace.name === undefined ? trace : { ...trace, name: trace.name.replaceAll("&", "&amp;").replaceAll("<", "&lt;") };
}

function draw() {
  const wanted = data.curves.tags.filter((curve) => state.tags.includes(curve.tag));
  const cards = new Map([...$("cards").children].map((card) => [card.dataset.tag, card]));
  for (const [tag, card] of cards) if (!wanted.some((curve) => curve.tag === tag)) { Plotly.purge(card.lastChild); card.remove(); }
  for (const curve of wanted) {
    let card = cards.get(curve.tag);
    if (!card) {
      card = element("div", undefined, "card");
      card.dataset.tag = curve.tag;
      card.append(element("h4", curve.tag), element("div", undefined, "plot"));
    }
    $("cards").append(card);
    const shown = data.groups.map((group, i) => [group, i]).filter(([group]) => !state.hidden.includes(group.label));
    const traces = shown.flatMap(([group, i]) => state.lines === "means" ? ofMean(group, curve.means[i]) : ofRuns(group, curve.runs));
    Plotly.react(card.lastChild, traces.map(inert), layout(), {
      responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: curve.tag },
    });
  }
  if (!wanted.length) $("cards").replaceChildren(element("p", data.curves.tags.length ? "Choose a scalar on the left." : "No run has logged a scalar.", "note"));
  const kind = state.lines === "means" ? `${data.center} and ${data.band} over the runs of a setting` : "single runs";
  const most = state.lines === "runs" ? data.curves.most : data.curves.samples;
  const how = state.lines === "runs" ? `about ${counted(most, "frame")} with all peaks` : `${counted(most, "frame")} at equal distances`;
  const kept = data.curves.longest > most ? `of a longer run ${how}` : "every frame";
  const none = data.curves.most ? "" : " There are too many single runs to be on one page: choose some with --where or --tags.";
  $("thinned").textContent = `Shown: ${kind}, ${kept}. The runs logged ${counted(data.curves.frames, "frame")}; exptools-view --csv writes every one.${none}`;
}

function swatch(group) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const dashes = { solid: "", dash: "7 3", dashdot: "7 3 2 3", dot: "2 3" };
  for (const [name, value] of Object.entries({ x1: 0, y1: 5, x2: 28, y2: 5, stroke: group.color, "stroke-width": 2.5, "stroke-dasharray": dashes[group.dash] })) line.setAttribute(name, value);
  svg.setAttribute("width", 28);
  svg.setAttribute("height", 10);
  svg.append(line);
  return svg;
}

function checkbox(list, label, isOn, onChange, extra) {
  const item = element("label", undefined, "item");
  const box = element("input");
  box.type = "checkbox";
  box.checked = isOn;
  box.addEventListener("change", () => { onChange(box.checked); changed(); });
  item.append(box, ...(extra ? [extra] : []), element("span", label));
  list.append(item);
  return item;
}

function controls() {
  const toggle = (list, name, isOn) => isOn ? [...new Set([...list, name])] : list.filter((other) => other !== name);
  $("by").textContent = data.keys.length ? data.keys.join(", ") : "Settings";
  for (const group of data.groups) {
    checkbox($("legend"), `${group.label} (${counted(group.runs.length, "run")})`, !state.hidden.includes(group.label),
      (isOn) => { state.hidden = toggle(state.hidden, group.label, !isOn); }, swatch(group));
  }
  const items = data.curves.tags.map((curve) => [curve.tag, checkbox($("tags"), curve.tag, state.tags.includes(curve.tag),
    (isOn) => { state.tags = toggle(state.tags, curve.tag, isOn); })]);
  $("search").addEventListener("input", () => {
    for (const [tag, item] of items) item.hidden = !tag.toLowerCase().includes($("search").value.toLowerCase());
  });
  $("lines").querySelector("[value=runs]").disabled = !data.curves.most;
  $("lines").addEventListener("change", () => { state.lines = $("lines").value; changed(); });
  $("x").addEventListener("change", () => { state.x = $("x").value; changed(); });
  $("log").addEventListener("change", () => { state.log = $("log").checked; changed(); });
  $("smoothing").addEventListener("input", () => { state.smoothing = Number($("smoothing").value); $("weight").value = state.smoothing; changed(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// --- tables ----------------------------------------------------------------------------------------------

function order(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  return typeof a === "number" ? -1 : 1;
}

function runsTable() {
  const { columns, rows } = data.table;
  const head = $("table").tHead.insertRow();
  const body = $("table").tBodies[0];
  const lines = rows.map((row) => {
    const line = element("tr");
    row.forEach((cell, i) => {
      const kinds = [columns[i].is_number ? "number" : "", cell.by === null ? "missing" : "", columns[i].name === "state" ? cell.text : ""];
      line.append(element("td", cell.text, kinds.filter((kind) => /^[\w-]+$/.test(kind)).join(" ")));
    });
    return { line, row, text: row.map((cell) => cell.text).join(" ").toLowerCase() };
  });
  columns.forEach((column, i) => {
    const cell = element("th", column.name, column.is_number ? "number" : "");
    cell.tabIndex = 0;
    const sort = () => {
      const descending = cell.getAttribute("aria-sort") === "ascending";
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      lines.sort((a, b) => {
        const [x, y] = [a.row[i].by, b.row[i].by];
        return x === null || y === null || !descending ? order(x, y) : order(y, x);
      });
      body.append(...lines.map((l) => l.line));
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    head.append(cell);
  });
  body.append(...lines.map((l) => l.line));
  const filter = () => {
    const words = $("filter").value.toLowerCase().split(/\s+/);
    for (const l of lines) l.line.hidden = !words.every((word) => l.text.includes(word));
    const n = lines.filter((l) => !l.line.hidden).length;
    $("shown").textContent = n === lines.length ? counted(n, "run") : `${n} of ${counted(lines.length, "run")}`;
  };
  $("filter").addEventListener("input", filter);
  filter();
}

function plainTable(place, heads, rows, empty) {
  if (!rows.length) { place.append(element("p", empty, "note")); return; }
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const text of heads) head.append(element("th", text));
  const body = table.createTBody();
  for (const row of rows) { const line = body.insertRow(); for (const text of row) line.append(element("td", text)); }
  place.append(table);
}

function texts() {
  $("title").textContent = data.title;
  $("made").textContent = `${data.made}   ${data.command}`;
  const counts = new Map();
  for (const run of data.runs) counts.set(run.state, (counts.get(run.state) || 0) + 1);
  const parts = [...counts].map(([name, n]) => [name === null ? `${n} of unknown state` : `${n} ${name}`, name]);
  $("states").append(counted(data.runs.length, "run") + ": ");
  parts.forEach(([text, name], i) => $("states").append(i ? ", " : "", element("span", text, name || "")));
  for (const line of data.failures) $("failures").append(element("p", line, "note"));
  plainTable($("keys"), ["key", "role", "values (runs)"], data.keys_that_differ.map((key) => [key.key, key.role, key.values]), "All runs have the same config.");
  plainTable($("provenance"), ["what", "values (runs)"], data.provenance.map((fact) => [fact.name, fact.values]), "Nothing differs, or nothing was written down.");
  for (const note of data.notes) $("notes").append(element("li", note));
  if (!data.notes.length) $("notes").replaceWith(element("p", "Everything could be read.", "note"));
}

restore();
texts();
controls();
runsTable();
draw();
