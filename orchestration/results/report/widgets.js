"use strict";
// What the sections are made of: numbers as text, tables, choices, legends, figures that follow the width of the page.

const content = JSON.parse(document.getElementById("content").textContent);
const page = document.getElementById("page");
const contents = []; // [id, text, level] of each heading, for the list of contents
const day = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 16);

// The one rounding of the page: one decimal, rates in percent.
const scaled = (value, isPercent) => (isPercent ? 100 * value : value);
const shown = (value, isPercent) => (value === null || value === undefined ? "–" : scaled(value, isPercent).toFixed(1));
const withSpread = (value, spread, isPercent) => shown(value, isPercent) + (spread === null || spread === undefined ? "" : ` ± ${shown(spread, isPercent)}`);
const unit = (label, isPercent) => (isPercent ? `${label}, %` : label);

// The one wording of times, that of the command line: "40 s", "3 min", "5.2 h", "157 days".
function duration(seconds) {
  if (seconds < 90) return seconds >= 1 || !seconds ? `${seconds.toFixed(0)} s` : "under 1 s";
  const [size, name] = seconds < 5400 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : seconds < 63115200 ? [86400, "days"] : [31557600, "years"];
  const value = seconds / size;
  return `${value < 9.95 ? value.toFixed(1).replace(".0", "") : Math.round(value).toLocaleString("en")} ${name}`;
}

function headed(level, title, name) {
  const id = `s${contents.length + 1}`;
  contents.push([id, name ?? title, level]);
  return element(`h${level}`, { id }, title);
}

// A section with one sentence of how to read it.
function section(title, how, ...children) {
  const heading = headed(3, title), made = element("section", { "data-section": title }, heading);
  if (how) made.append(element("p", { class: "how" }, how));
  made.append(...children);
  return made;
}

// Wide things scroll inside of their own frame, with the keyboard too.
function scrolled(label, ...children) {
  return element("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": label }, ...children);
}

function cellOf(value, attributes = {}) {
  return value instanceof Node ? value : element("td", attributes, String(value));
}

function tableOf(label, header, rows, textColumns = [0]) {
  const head = element("thead", {}, element("tr", {}, ...header.map((text, at) => element("th", { scope: "col", ...(textColumns.includes(at) ? { class: "text" } : {}) }, text))));
  const body = element("tbody");
  for (const row of rows) {
    body.append(element("tr", {}, ...row.map((value, at) => (at ? cellOf(value, textColumns.includes(at) ? { class: "text" } : {}) : element("th", { scope: "row" }, String(value))))));
  }
  return scrolled(label, element("table", {}, head, body));
}

function folded(summary, ...children) {
  return element("details", {}, element("summary", {}, summary), ...children);
}

function choose(label, options, onChange) {
  const select = element("select", { "aria-label": label }, ...options.map((text, index) => element("option", { value: index }, text)));
  select.addEventListener("change", () => onChange());
  return { node: element("label", {}, `${label} `, select), value: () => Number(select.value), set: (index) => { select.value = String(index); } };
}

// From orange (worse) over the colour of the page (no difference beyond noise) to blue (better).
function tint(shade) {
  if (!shade) return "transparent";
  return `rgb(var(--${shade > 0 ? "better" : "worse"}) / ${Math.round(18 + 82 * Math.abs(shade))}%)`;
}

function tinted(cell, shade) {
  if (shade !== null && shade !== undefined) {
    cell.style.background = tint(shade);
    cell.dataset.shade = shade.toFixed(2);
  }
  return cell;
}

function colourScale() {
  const boxes = [-1, -0.5, 0, 0.5, 1].map((shade) => element("i", { style: `background:${tint(shade)}` }));
  return element("div", { class: "scale", role: "img", "aria-label": "Colours from orange, worse, over none, no difference beyond noise, to blue, better" }, "worse ", ...boxes, " better");
}

// A figure that is drawn again for the width that it has; `draw(width)` returns an SVG.
function figure(draw, most, caption = null) {
  const made = element("figure"), holder = element("div");
  let last = 0;
  const redraw = () => {
    const width = Math.min(most, Math.floor(made.clientWidth) || most);
    if (Math.abs(width - last) < 6) return;
    last = width;
    holder.replaceChildren(draw(width));
    picked.forEach((mark) => mark());
  };
  made.append(holder);
  if (caption) made.append(element("figcaption", {}, caption));
  new ResizeObserver(redraw).observe(made);
  return { node: made, again: () => { last = 0; redraw(); } };
}

const picked = []; // functions that mark the chosen rows in what is drawn

// Buttons that name the rows by colour and marker; a pressed one brings its row to the front.
function legend(names, styleOf, holder) {
  const chosen = new Set();
  const mark = () => {
    holder.classList.toggle("picking", chosen.size > 0);
    holder.querySelectorAll("svg [data-row]").forEach((each) => each.classList.toggle("picked", chosen.has(each.dataset.row)));
  };
  picked.push(mark);
  const made = element("div", { class: "legend", role: "group", "aria-label": "Bring rows to the front" });
  for (const name of names) {
    const style = styleOf(name), sign = shape("svg", { width: 26, height: 14, viewBox: "0 0 26 14", "aria-hidden": "true" });
    sign.append(line(0, 7, 26, 7, { stroke: style.colour, "stroke-width": 1.8, "stroke-dasharray": style.dash }), marker(13, 7, style, 4));
    const button = element("button", { type: "button", "aria-pressed": "false" }, sign, name);
    button.addEventListener("click", () => {
      if (!chosen.delete(name)) chosen.add(name);
      button.setAttribute("aria-pressed", String(chosen.has(name)));
      mark();
    });
    made.append(button);
  }
  return made;
}

function download(name, type, text) {
  return element("a", { download: name, href: `data:${type};charset=utf-8,${encodeURIComponent(text)}` }, `${name} (${Math.ceil(text.length / 1024)} KiB)`);
}
