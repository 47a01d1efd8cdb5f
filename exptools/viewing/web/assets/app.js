"use strict";
// What the page does without asking the server. All text from runs is put in as text, never as markup.
(() => {
  const nothing = () => window.dash_clientside.no_update;
  const byId = (id) => document.getElementById(id);
  const triggered = () => window.dash_clientside.callback_context.triggered_id;
  const setProps = (id, props) => window.dash_clientside.set_props(id, props);
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  // --- the view: what the controls say, as names and texts, which are also the query of the address ------

  // In the order of CONTROLS in layout.py.
  const CONTROLS = ["tab", "tags", "lines", "band", "by", "split", "x", "smooth", "flags", "stat", "over", "where", "spark", "run", "step"];
  const USUAL = { tab: "curves", lines: "mean", x: "step", smooth: "0", stat: "final" };
  const OF_CURVES = ["tags", "pins", "lines", "band", "by", "split", "x", "smooth", "xscale", "yscale", "outliers", "hidden", "runs", "where"];
  const OF_NAMES = ["by", "split", "over", "runs", "where"]; // what the options of the lists depend on
  const OF_TABLE = ["tags", "pins", "by", "split", "runs", "where"];
  const OF_RUN = { log: ["run"], media: ["run", "step"], histograms: ["run", "step"] };

  function conditions(text) { // as a shell reads words
    const found = [];
    for (const match of (text || "").matchAll(/(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/g)) {
      found.push(match[0].replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g, (_, single, double, one) =>
        single ?? (double !== undefined ? double.replace(/\\(["\\$`])/g, "$1") : one)));
    }
    return found;
  }

  function assemble(...given) {
    const values = Object.fromEntries(CONTROLS.map((name, i) => [name, given[i]]));
    const [zoomBefore, hidden, pins, selected, columns, filter, restored, before] = given.slice(CONTROLS.length);
    if (!restored) return nothing();
    const isOtherX = before && (values.x || USUAL.x) !== (before.x || USUAL.x);
    const zoom = isOtherX ? withoutX(zoomBefore) : zoomBefore;
    if (!same(zoom, zoomBefore)) setProps("zoom", { data: zoom });
    const view = {};
    const put = (name, value) => { if (value !== undefined && value !== null && value !== "" && String(value) !== USUAL[name]) view[name] = String(value); };
    const list = (name, items) => { if (items && items.length) view[name] = items.map(String); };
    for (const name of ["tab", "lines", "band", "x", "smooth", "stat", "spark"]) put(name, values[name]);
    for (const name of OF_RUN[values.tab] || []) put(name, values[name]);
    if (values.tags && values.tags.length) list("tags", values.tags);
    else if ((before ? before.tags : opened.has("tags")) || triggered() === "tags") view.tags = [""]; // chosen: none
    list("by", values.by);
    for (const name of ["split", "over"]) list(name, values[name]);
    const flags = values.flags || [];
    if (flags.includes("logx")) view.xscale = "log";
    if (flags.includes("logy")) view.yscale = "log";
    if (flags.includes("inliers")) view.outliers = "off";
    list("where", conditions(values.where));
    list("hidden", hidden);
    list("pins", pins);
    const ids = Array.isArray(selected) ? selected.map((row) => row.id) : (selected && selected.ids) || [];
    list("runs", [...ids].sort());
    list("zoom", Object.values(zoom || {}));
    const sorted = (columns || []).filter((column) => column.sort).map(({ colId, sort, sortIndex }) => ({ colId, sort, sortIndex }));
    if (awaited) Object.assign(view, awaited);
    else {
      if (sorted.length) view.sort = JSON.stringify(sorted);
      if (filter && Object.keys(filter).length) view.filter = JSON.stringify(filter);
    }
    told(hidden, pins, values.tags);
    document.body.dataset.tab = values.tab;
    document.body.dataset.lines = values.lines;
    byId("smooth-text").textContent = Number(values.smooth || 0).toFixed(2);
    address(view);
    return same(view, before) ? nothing() : view;
  }

  // The table is sorted and filtered as the address says once it has columns; what it says before is not meant.
  const opened = new URLSearchParams(location.search);
  let awaited = Object.fromEntries(["sort", "filter"].filter((name) => opened.get(name)).map((name) => [name, opened.get(name)]));

  function arrange(columns) {
    if (!awaited || !columns || !columns.length) return nothing();
    const api = window.dash_ag_grid && document.querySelector("#grid .ag-header-cell") && window.dash_ag_grid.getApi("grid");
    if (!api || !(api.getColumns() || []).length) { setTimeout(arrange, 50, columns); return nothing(); }
    const { sort, filter } = awaited;
    awaited = null;
    try {
      if (sort) api.applyColumnState({ state: JSON.parse(sort), defaultState: { sort: null } });
      if (filter) api.setFilterModel(JSON.parse(filter));
    } catch { /* it was typed, and is not what the table says */ }
    return nothing();
  }

  // Plotly is loaded with the first graph, which takes the browser more than half a second: once the table
  // stands, and before a card is asked for.
  async function loadPlotly(rows) {
    if (window.Plotly || !rows || !rows.length) return nothing();
    for (let i = 0; i < 100 && !document.querySelector("#grid .ag-row"); i += 1) await new Promise((done) => setTimeout(done, 20));
    return { namespace: "dash_core_components", type: "Graph", props: { id: "first-graph", figure: {} } };
  }

  function query(view) {
    const found = new URLSearchParams();
    for (const [name, value] of Object.entries(view)) for (const text of Array.isArray(value) ? value : [value]) found.append(name, text);
    return found.toString();
  }

  function address(view) {
    const text = query(view);
    history.replaceState(null, "", text ? `?${text}` : location.pathname);
    for (const link of document.querySelectorAll("a[id^='export-']")) link.href = `download/${link.id.slice(7)}${text ? `?${text}` : ""}`;
  }

  const partOf = (names) => (view, before) => {
    if (!view) return nothing();
    const found = Object.fromEntries(names.filter((name) => name in view).map((name) => [name, view[name]]));
    return same(found, before) ? nothing() : found;
  };

  const ofCurves = partOf(OF_CURVES);
  const ofNames = partOf(OF_NAMES);
  const ofTable = partOf(OF_TABLE);
  const ofCommand = (view, isExporting) => (view && isExporting ? view : nothing()); // while its menu is open

  // What is beside the curves is asked for where it is seen.
  function askOther(view, look, theme, before) {
    const now = view && look && view.tab ? { view, look, theme } : null;
    return same(now, before || null) ? nothing() : now;
  }

  // --- zoom ---------------------------------------------------------------------------------------------

  function ends(layout, changed, axis) {
    // The range of any panel's axis counts: they are zoomed together.
    const name = Object.keys(changed).find((key) => new RegExp(`^${axis}axis\\d*\\.range(\\[0\\])?$`).test(key));
    if (!name) return Object.keys(changed).some((key) => new RegExp(`^${axis}axis\\d*\\.autorange$`).test(key)) ? "" : undefined;
    const range = name.endsWith("[0]") ? [changed[name], changed[name.replace("[0]", "[1]")]] : changed[name];
    const of = layout[name.split(".")[0]] || {};
    const { unit, is_date: isDate } = layout.meta || { unit: 1, is_date: false };
    const value = (end) => {
      if (of.type === "date") return (typeof end === "number" ? end : Date.parse(`${String(end).replace(" ", "T")}${/Z$/.test(end) ? "" : "Z"}`)) / 1000;
      const plain = of.type === "log" ? 10 ** Number(end) : Number(end);
      return axis === "x" && !isDate ? plain * unit : plain;
    };
    const [low, high] = range.map(value);
    return Number.isFinite(low) && Number.isFinite(high) && low < high ? `${low}~${high}` : undefined;
  }

  function zoomed(all, zoom) {
    const id = triggered();
    if (!id || !id.tag) return nothing();
    const graph = graphs().find((one) => one.tag === id.tag);
    const entry = window.dash_clientside.callback_context.triggered[0];
    if (!graph || !entry || !entry.value) return nothing();
    const before = (zoom || {})[id.tag] ? (zoom[id.tag].slice(id.tag.length + 1)).split(":") : ["", ""];
    const x = ends(graph.plot.layout, entry.value, "x");
    const y = ends(graph.plot.layout, entry.value, "y");
    if (x === undefined && y === undefined) return nothing();
    const now = [x === undefined ? before[0] : x, y === undefined ? before[1] : y];
    const found = { ...zoom };
    if (now[0] || now[1]) found[id.tag] = `${id.tag}:${now[0]}:${now[1]}`;
    else delete found[id.tag];
    return same(found, zoom) ? nothing() : found;
  }

  // Steps are no times: what was zoomed to is nowhere on another x axis.
  function withoutX(zoom) {
    const ys = Object.entries(zoom || {}).map(([tag, text]) => [tag, text.slice(text.lastIndexOf(":") + 1)]);
    return Object.fromEntries(ys.filter(([, y]) => y).map(([tag, y]) => [tag, `${tag}::${y}`]));
  }

  function zoomOf(zoom, before, id) {
    const now = (zoom || {})[id.tag] || null;
    return now === (before || null) ? nothing() : now;
  }

  // What a card asks for: only while it is seen, and nothing twice.
  function ask(view, look, zoom, isSeen, theme, before) {
    if (!view || !look || !isSeen) return nothing();
    const now = { view, frames: look.frames, zoom: zoom || null, theme };
    return same(now, before) ? nothing() : now;
  }

  // --- cards and series --------------------------------------------------------------------------------

  const clicked = () => { const entry = window.dash_clientside.callback_context.triggered[0]; return entry && entry.value ? triggered() : null; };

  // Clicks that follow each other sooner than the page answers all count: they change what is known here.
  const known = { hidden: [], pins: [], closed: new Set(), tags: null };

  function told(hidden, pins, tags) {
    known.hidden = hidden || [];
    known.pins = pins || [];
    if (!same(known.tags, tags)) { known.tags = tags; known.closed.clear(); }
  }

  const turned = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);

  function pressed(button) {
    const { type, tag, label } = JSON.parse(button.id);
    if (type === "series") setProps("hidden", { data: (known.hidden = turned(known.hidden, label)) });
    if (type === "pin" || (type === "close" && known.pins.includes(tag))) setProps("pins", { data: (known.pins = turned(known.pins, tag)) });
    if (type === "close") {
      known.closed.add(tag);
      const cards = [...document.querySelectorAll("#cards .card-head button")].map((one) => JSON.parse(one.id)).filter((one) => one.type === "close");
      setProps("tags", { value: cards.map((one) => one.tag).filter((one) => !known.closed.has(one)) });
    }
  }

  function add(_, __, search, options) {
    const text = (search || "").trim();
    return /[*?[]/.test(text) ? [text] : (options || []).map((option) => option.value);
  }

  function turn(_, __, step, options) {
    const steps = (options || []).map((option) => option.value);
    if (!clicked() || !steps.length) return nothing();
    const at = step && steps.includes(step) ? steps.indexOf(step) : steps.length - 1;
    return steps[Math.min(steps.length - 1, Math.max(0, at + (triggered() === "step-after" ? 1 : -1)))];
  }

  const clear = () => [];
  const unselect = () => ({ ids: [] });

  // --- cards ask for their curves when they are seen --------------------------------------------------------

  function graphs() {
    return [...document.querySelectorAll("#cards .card .dash-graph")].map((graph) => ({
      tag: JSON.parse(graph.id).tag, graph, plot: graph.querySelector(".js-plotly-plot"),
    })).filter((one) => one.plot);
  }

  const watched = new WeakSet();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.target.isConnected) { seen.unobserve(entry.target); continue; } // its card was taken away
      const tag = JSON.parse(entry.target.id).tag;
      if (window.dash_clientside.set_props) window.dash_clientside.set_props({ type: "seen", tag }, { data: entry.isIntersecting });
    }
  }, { rootMargin: "300px" });
  new MutationObserver(() => {
    keepReading();
    for (const graph of document.querySelectorAll("#cards .card .dash-graph")) {
      if (!watched.has(graph)) { watched.add(graph); seen.observe(graph); }
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  // --- a log that grows is made anew: who reads in it stays there, and who is at its end sees its new end ---

  let reading = null;
  const logShown = () => document.querySelector("#other .log:not(.error)");
  const logName = () => document.querySelector("#other .faint").textContent.replace(/, [\d,]+ bytes.*$/, "");

  document.addEventListener("scroll", (event) => {
    const log = event.target;
    if (log !== logShown()) return;
    reading = { name: logName(), top: log.scrollTop, isEnd: log.scrollTop > 0 && log.scrollTop + log.clientHeight >= log.scrollHeight - 2 };
  }, true);

  function keepReading() {
    const log = logShown();
    if (!log || watched.has(log)) return;
    watched.add(log);
    if (reading && reading.name === logName()) log.scrollTop = reading.isEnd ? log.scrollHeight : reading.top;
  }

  // --- one hover across all cards ----------------------------------------------------------------------------

  const MOST_IN_READOUT = 12;
  const marks = new Map(); // plot -> { line, box }

  function number(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size >= 1e6 || size < 1e-4 ? value.toExponential(4) : String(Number(value.toPrecision(6)));
  }

  function nearest(xs, from, to, x) {
    let low = from;
    let high = to - 1;
    if (high < low || x < xs[low] || x > xs[high]) return -1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return x - xs[low] <= xs[high] - x ? low : high;
  }

  function under(plot, x, panel) {
    const found = [];
    for (const trace of plot._fullData || []) {
      const meta = trace.meta;
      if (!meta || !meta.starts || (panel && trace.xaxis !== panel)) continue;
      for (let i = 0; i + 1 < meta.starts.length; i += 1) {
        const at = nearest(trace.x, meta.starts[i], meta.starts[i + 1] - 1, x);
        if (at >= 0 && Number.isFinite(trace.y[at])) {
          found.push({ name: meta.runs[i] || meta.label || "all runs", x: trace.x[at], y: trace.y[at], color: trace.line.color, axis: trace.xaxis });
        }
      }
    }
    return found;
  }

  function axisValue(axis, pixel) { return axis.type === "date" ? axis.p2c(pixel) : axis.p2d(pixel); }
  function axisPixel(axis, value) { return axis.type === "date" ? axis.c2p(value) : axis.d2p(value); }

  const axesIn = (layout) => Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name)).map((name) => layout[name]);
  const axesOf = (plot) => axesIn(plot._fullLayout || {});

  // As it was given: only the last panels have one, and where there is none plotly's own asks for one.
  function xName(plot) {
    return axesIn(plot.layout).map((axis) => axis.title && axis.title.text).find(Boolean) || "x";
  }

  function pointed(event) {
    const plot = event.target.closest && event.target.closest("#cards .js-plotly-plot");
    if (!plot || !plot._fullLayout) { clearMarks(); return; }
    const box = plot.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const axis = axesOf(plot).find((one) => {
      const y = plot._fullLayout[one._mainSubplot ? "yaxis" + one._id.slice(1) : "yaxis"] || plot._fullLayout.yaxis;
      return px >= one._offset && px <= one._offset + one._length && py >= y._offset && py <= y._offset + y._length;
    });
    if (!axis) { clearMarks(); return; }
    const x = axisValue(axis, px - axis._offset);
    const yAxis = plot._fullLayout["yaxis" + axis._id.slice(1)] || plot._fullLayout.yaxis;
    for (const { plot: other } of graphs()) mark(other, x, other === plot ? axis._id : null, other === plot ? py - yAxis._offset : null, yAxis);
  }

  function mark(plot, x, panel, py, yAxis) {
    const axis = axesOf(plot).find((one) => !panel || one._id === panel);
    if (!axis) return;
    let found = under(plot, x, axis._id);
    const total = found.length;
    if (py !== null) {
      const distance = (point) => Math.abs(yAxis.d2p(point.y) - py);
      found.sort((a, b) => distance(a) - distance(b));
    }
    found = found.slice(0, MOST_IN_READOUT);
    let parts = marks.get(plot);
    if (!parts) {
      parts = { line: document.createElement("div"), box: document.createElement("div") };
      parts.line.className = "hover-line";
      parts.box.className = "readout";
      plot.append(parts.line, parts.box);
      marks.set(plot, parts);
    }
    const at = axis._offset + axisPixel(axis, x);
    const y = plot._fullLayout["yaxis" + axis._id.slice(1)] || plot._fullLayout.yaxis;
    const isInside = at >= axis._offset && at <= axis._offset + axis._length;
    parts.line.hidden = !isInside;
    parts.box.hidden = !isInside || !found.length;
    if (!isInside) return;
    Object.assign(parts.line.style, { left: `${at}px`, top: `${y._offset}px`, height: `${y._length}px` });
    const isRight = at < axis._offset + axis._length / 2;
    Object.assign(parts.box.style, isRight ? { left: `${at + 10}px`, right: "" } : { left: "", right: `${plot.clientWidth - at + 10}px` });
    parts.box.style.top = `${y._offset + 4}px`;
    const rows = found.map((point) => {
      const row = document.createElement("div");
      const dot = document.createElement("i");
      dot.style.background = point.color;
      const value = document.createElement("b");
      value.textContent = number(point.y);
      const name = document.createElement("span");
      name.textContent = point.name;
      row.append(dot, value, name);
      return row;
    });
    const head = document.createElement("div");
    head.className = "at";
    const name = xName(plot).replaceAll("&lt;", "<").replaceAll("&amp;", "&");
    head.textContent = axis.type === "date" ? new Date(x).toISOString().slice(0, 19).replace("T", " ") : `${name} ${number(found.length ? found[0].x : x)}`;
    const more = document.createElement("div");
    more.className = "at";
    if (total > found.length) more.textContent = `and ${total - found.length} more`;
    parts.box.replaceChildren(head, ...rows, ...(total > found.length ? [more] : []));
  }

  function clearMarks() { for (const { line, box } of marks.values()) { line.hidden = true; box.hidden = true; } }

  let waiting = null;
  document.addEventListener("mousemove", (event) => {
    if (waiting) { waiting = event; return; }
    waiting = event;
    requestAnimationFrame(() => { const last = waiting; waiting = null; pointed(last); });
  }, { passive: true });

  // --- light and dark -----------------------------------------------------------------------------------------

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  let theme = null;
  try { theme = localStorage.getItem("exptools-theme"); } catch { /* it is not kept, then */ }

  function showTheme() {
    const name = theme || (prefersDark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = name;
    document.documentElement.dataset.agThemeMode = name;
    if (window.dash_clientside && window.dash_clientside.set_props && byId("page")) window.dash_clientside.set_props("theme", { data: name });
  }

  function turnTheme() {
    theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("exptools-theme", theme); } catch { /* it is not kept, then */ }
    showTheme();
  }
  showTheme();
  prefersDark.addEventListener("change", showTheme);

  // --- keys ---------------------------------------------------------------------------------------------------

  const flags = () => [...document.querySelectorAll("#flags input")];
  let lastFocus = null;

  function help(isOpen) {
    const dialog = byId("help");
    if (isOpen) lastFocus = document.activeElement;
    dialog.hidden = !isOpen;
    if (isOpen) byId("close-help").focus(); else if (lastFocus) lastFocus.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (["Escape", "Tab"].includes(event.key) && !byId("help").hidden) {
      if (event.key === "Escape") help(false); else event.preventDefault();  // its button is all there is
      return;
    }
    if (event.key === "Escape") {
      const menu = byId("export");
      if (menu.open) { menu.open = false; menu.querySelector("summary").focus(); }
      if (document.activeElement) document.activeElement.blur();
      return;
    }
    const isField = event.target.closest("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable], .ag-root, [role=listbox], .dash-dropdown-content");
    if (isField || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      "/": () => { byId("search").focus(); byId("search").select(); },
      "?": () => help(byId("help").hidden),
      d: turnTheme,
      s: () => byId("smooth").focus(),
      t: () => { const cell = document.querySelector("#grid .ag-header-cell"); if (cell) cell.focus(); },
      l: () => flags()[1] && flags()[1].click(),
      r: () => setProps("lines", { value: document.body.dataset.lines === "runs" ? "mean" : "runs" }),
    };
    const action = actions[event.key];
    const tab = /^[1-8]$/.test(event.key) ? document.querySelectorAll("#tab input")[Number(event.key) - 1] : null;
    if (action || tab) { event.preventDefault(); if (tab) tab.click(); else action(); }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#legend button, .card-head button");
    if (button) pressed(button);
    else if (event.target.closest("#dark")) turnTheme();
    else if (event.target.closest("#ask")) help(true);
    else if (event.target.closest("#close-help") || event.target.id === "help") help(false);
    const menu = byId("export");
    if (menu && menu.open && !event.target.closest("#export")) menu.open = false;
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.id !== "export") return;
    setProps("is-exporting", { data: event.target.open });
    if (!event.target.open) setProps("command", { children: "" }); // it would be of the view as it was
  }, true);

  // --- is the server still there? -------------------------------------------------------------------------------

  const plainFetch = window.fetch;
  window.fetch = async (...given) => {
    try {
      const answer = await plainFetch(...given);
      document.body.classList.toggle("alone", false);
      return answer;
    } catch (error) {
      if (error.name !== "AbortError") document.body.classList.toggle("alone", true);
      throw error;
    }
  };

  // The theme is told to the page once it is there.
  const page = new MutationObserver(() => {
    if (byId("page") && window.dash_clientside && window.dash_clientside.set_props) { page.disconnect(); showTheme(); }
  });
  page.observe(document.documentElement, { childList: true, subtree: true });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    exptools: { assemble, arrange, loadPlotly, ofCurves, ofNames, ofTable, ofCommand, askOther, zoomed, zoomOf, ask, add, turn, clear, unselect },
  });
})();
