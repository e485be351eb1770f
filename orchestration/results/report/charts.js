"use strict";
// Small drawings in SVG. Every function returns an element; nothing here knows what a sweep is.

const COLOURS = ["#1f5fbf", "#d1495b", "#2a9d4a", "#e08e0b", "#7b4bb7", "#0aa3a3", "#8d5524", "#d64fa0", "#5b6770", "#9aa500"];
const colour = (index) => COLOURS[index % COLOURS.length];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function canvas(width, height, label) {
  return shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
}

function tipped(made, text) {
  made.append(shape("title", {}, text));
  return made;
}

function range(values, pad = 0.06) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low || Math.abs(high) || 1) * pad;
  return [low - room, high + room];
}

function ticks(low, high, count = 5) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const made = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) made.push(value);
  return made;
}

const short = (value) => String(+value.toPrecision(4));

function axes(svg, box, xs, ys, xLabel, yLabel, { flipX = false, flipY = false } = {}) {
  const x = (value) => { const t = (value - xs[0]) / (xs[1] - xs[0]); return box.left + (flipX ? 1 - t : t) * box.width; };
  const y = (value) => { const t = (value - ys[0]) / (ys[1] - ys[0]); return box.top + (flipY ? t : 1 - t) * box.height; };
  for (const value of ticks(...xs)) {
    svg.append(shape("line", { x1: x(value), x2: x(value), y1: box.top, y2: box.top + box.height, stroke: "#e6e9ee" }));
    svg.append(shape("text", { x: x(value), y: box.top + box.height + 15, "text-anchor": "middle", class: "faint" }, short(value)));
  }
  for (const value of ticks(...ys)) {
    svg.append(shape("line", { x1: box.left, x2: box.left + box.width, y1: y(value), y2: y(value), stroke: "#e6e9ee" }));
    svg.append(shape("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end", class: "faint" }, short(value)));
  }
  svg.append(shape("rect", { x: box.left, y: box.top, width: box.width, height: box.height, fill: "none", stroke: "#9aa3ad" }));
  svg.append(shape("text", { x: box.left + box.width / 2, y: box.top + box.height + 32, "text-anchor": "middle" }, xLabel));
  const middle = box.top + box.height / 2;
  svg.append(shape("text", { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, yLabel));
  return { x, y };
}

// series: [{name, colour, points: [[x, y], ...], faint}]
function lines(series, xLabel, yLabel, { width = 460, height = 280 } = {}) {
  const svg = canvas(width, height, `${yLabel} by ${xLabel}`), box = { left: 58, top: 12, width: width - 74, height: height - 58 };
  const points = series.flatMap((each) => each.points);
  if (!points.length) return svg;
  const scale = axes(svg, box, range(points.map((p) => p[0]), 0.03), range(points.map((p) => p[1])), xLabel, yLabel);
  for (const each of series) {
    const path = each.points.map((p) => `${scale.x(p[0]).toFixed(1)},${scale.y(p[1]).toFixed(1)}`).join(" ");
    svg.append(tipped(shape("polyline", { points: path, fill: "none", stroke: each.colour, "stroke-width": 1.8, opacity: 0.85 }), each.name));
    for (const p of each.points.length < 12 ? each.points : []) {
      svg.append(tipped(shape("circle", { cx: scale.x(p[0]), cy: scale.y(p[1]), r: 3, fill: each.colour }), `${each.name}: ${short(p[1])}`));
    }
  }
  return svg;
}

// points: [{name, colour, x, y}]; better: whether lower is better on each axis; better values lie to the right and above
function pareto(points, xLabel, yLabel, lowerX, lowerY) {
  const svg = canvas(560, 400, `${yLabel} against ${xLabel}`), box = { left: 62, top: 14, width: 470, height: 328 };
  if (!points.length) return svg;
  const flips = { flipX: lowerX, flipY: lowerY };
  const scale = axes(svg, box, range(points.map((p) => p.x), 0.12), range(points.map((p) => p.y), 0.12), xLabel, yLabel, flips);
  const gain = (p) => [lowerX ? -p.x : p.x, lowerY ? -p.y : p.y];
  const beats = (a, b) => { const [ax, ay] = gain(a), [bx, by] = gain(b); return ax >= bx && ay >= by && (ax > bx || ay > by); };
  const front = points.filter((p) => !points.some((q) => beats(q, p))).sort((a, b) => gain(a)[0] - gain(b)[0]);
  const path = front.map((p) => `${scale.x(p.x)},${scale.y(p.y)}`).join(" ");
  svg.append(shape("polyline", { points: path, fill: "none", stroke: "#555", "stroke-dasharray": "5 4" }));
  for (const p of points) {
    const isFirst = front.includes(p);
    const dot = shape("circle", { cx: scale.x(p.x), cy: scale.y(p.y), r: isFirst ? 6 : 4.5, fill: p.colour, stroke: isFirst ? "#111" : "none", "data-front": isFirst });
    svg.append(tipped(dot, `${p.name}: ${short(p.x)}, ${short(p.y)}`));
    svg.append(shape("text", { x: scale.x(p.x) + 8, y: scale.y(p.y) - 6 }, p.name));
  }
  return svg;
}

// names: spokes; series: [{name, colour, values: [0..1 or null]}]
function radar(names, series) {
  const svg = canvas(520, 430, "radar of normalised performance"), cx = 260, cy = 212, radius = 150;
  const place = (index, share) => {
    const angle = (2 * Math.PI * index) / names.length - Math.PI / 2;
    return [cx + Math.cos(angle) * radius * share, cy + Math.sin(angle) * radius * share];
  };
  for (const share of [0.25, 0.5, 0.75, 1]) {
    const ring = names.map((_, index) => place(index, share).join(",")).join(" ");
    svg.append(shape("polygon", { points: ring, fill: "none", stroke: "#dfe3e8" }));
  }
  names.forEach((name, index) => {
    const [x, y] = place(index, 1), [tx, ty] = place(index, 1.14);
    svg.append(shape("line", { x1: cx, y1: cy, x2: x, y2: y, stroke: "#dfe3e8" }));
    const anchor = Math.abs(tx - cx) < 20 ? "middle" : tx > cx ? "start" : "end";
    svg.append(shape("text", { x: tx, y: ty + 4, "text-anchor": anchor }, name));
  });
  for (const each of series) {
    const points = each.values.map((value, index) => place(index, value ?? 0).map((v) => v.toFixed(1)).join(",")).join(" ");
    svg.append(tipped(shape("polygon", { points, fill: each.colour, "fill-opacity": 0.06, stroke: each.colour, "stroke-width": 2 }), each.name));
  }
  return svg;
}

// bins: [[confidence, accuracy, share]]
function reliability(name, bins, tone) {
  const svg = canvas(210, 220, `reliability of ${name}`), box = { left: 44, top: 22, width: 150, height: 150 };
  const scale = axes(svg, box, [0, 1], [0, 1], "confidence", "accuracy");
  svg.append(shape("text", { x: 119, y: 14, "text-anchor": "middle" }, name));
  svg.append(shape("line", { x1: scale.x(0), y1: scale.y(0), x2: scale.x(1), y2: scale.y(1), stroke: "#888", "stroke-dasharray": "4 3" }));
  for (const [confidence, accuracy, share] of bins) {
    const dot = shape("circle", { cx: scale.x(confidence), cy: scale.y(accuracy), r: 2 + 7 * Math.sqrt(share), fill: tone, "fill-opacity": 0.65 });
    svg.append(tipped(dot, `confidence ${short(confidence)}, accuracy ${short(accuracy)}, ${short(100 * share)} % of images`));
  }
  return svg;
}

// goodness in [0, 1] -> from red over white to green
function heat(goodness) {
  const t = Math.max(0, Math.min(1, goodness)), blend = (from, to, share) => Math.round(from + (to - from) * share);
  const [from, to, share] = t < 0.5 ? [[244, 182, 176], [255, 255, 255], t * 2] : [[255, 255, 255], [160, 216, 172], t * 2 - 1];
  return `rgb(${from.map((value, index) => blend(value, to[index], share)).join(",")})`;
}
