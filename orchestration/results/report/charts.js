"use strict";
// Small drawings in SVG. Every function returns an element; nothing here knows what a sweep is.

const MARKERS = ["circle", "square", "diamond", "up", "down", "plus"];
// Colours that colour-blind readers can tell apart, six of them; marker, fill and dashes tell twelve and more rows apart without colour.
const series = (index) => ({
  colour: `var(--s${index % 6})`,
  marker: MARKERS[(index + Math.floor(index / 6)) % 6],
  isHollow: index >= 6,
  dash: ["", "6 3", "2 3"][Math.floor(index / 6) % 3],
});

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

const tickText = (value) => String(+value.toPrecision(6));

function marker(x, y, style, size = 4.5) {
  const s = size, paths = {
    square: `M${-s},${-s}H${s}V${s}H${-s}Z`, diamond: `M0,${-1.3 * s}L${1.3 * s},0L0,${1.3 * s}L${-1.3 * s},0Z`,
    up: `M0,${-1.2 * s}L${1.15 * s},${s}H${-1.15 * s}Z`, down: `M0,${1.2 * s}L${1.15 * s},${-s}H${-1.15 * s}Z`,
    plus: `M${-s / 2.5},${-s}h${s / 1.25}v${s / 1.67}h${s / 1.67}v${s / 1.25}h${-s / 1.67}v${s / 1.67}h${-s / 1.25}v${-s / 1.67}h${-s / 1.67}v${-s / 1.25}h${s / 1.67}Z`,
    circle: `M${-s},0a${s},${s} 0 1,0 ${2 * s},0a${s},${s} 0 1,0 ${-2 * s},0Z`,
  };
  return shape("path", { d: paths[style.marker], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, fill: style.isHollow ? "var(--paper)" : style.colour, stroke: style.colour, "stroke-width": 1.6 });
}

function line(x1, y1, x2, y2, attributes) {
  return shape("line", { x1: x1.toFixed(1), y1: y1.toFixed(1), x2: x2.toFixed(1), y2: y2.toFixed(1), ...attributes });
}

function axes(svg, box, xs, ys, xLabel, yLabel, { flipX = false, flipY = false, xTicks = null, yTicks = null } = {}) {
  const x = (value) => { const t = (value - xs[0]) / (xs[1] - xs[0]); return box.left + (flipX ? 1 - t : t) * box.width; };
  const y = (value) => { const t = (value - ys[0]) / (ys[1] - ys[0]); return box.top + (flipY ? t : 1 - t) * box.height; };
  for (const value of xTicks ?? ticks(...xs, Math.max(3, Math.min(5, box.width / 70)))) {
    svg.append(line(x(value), box.top, x(value), box.top + box.height, { stroke: "var(--grid)" }));
    svg.append(shape("text", { x: x(value), y: box.top + box.height + 16, "text-anchor": "middle", class: "faint" }, tickText(value)));
  }
  for (const value of yTicks ?? ticks(...ys)) {
    svg.append(line(box.left, y(value), box.left + box.width, y(value), { stroke: "var(--grid)" }));
    svg.append(shape("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end", class: "faint" }, tickText(value)));
  }
  svg.append(shape("rect", { x: box.left, y: box.top, width: box.width, height: box.height, fill: "none", stroke: "var(--soft)" }));
  svg.append(shape("text", { x: box.left + box.width / 2, y: box.top + box.height + 34, "text-anchor": "middle" }, xLabel));
  const middle = box.top + box.height / 2;
  svg.append(shape("text", { x: 13, y: middle, "text-anchor": "middle", transform: `rotate(-90 13 ${middle})` }, yLabel));
  return { x, y };
}

// drawn: [{name, style, points: [[x, y, spread or null], ...]}]; points are named by `say` where there are few
function lines(drawn, xLabel, yLabel, width, { say = null, xTicks = null, height = 300 } = {}) {
  const svg = canvas(width, height, `${yLabel} by ${xLabel}`), box = { left: 58, top: 12, width: width - 74, height: height - 60 };
  const points = drawn.flatMap((each) => each.points);
  if (!points.length) return svg;
  const ends = points.flatMap((p) => [p[1] - (p[2] ?? 0), p[1] + (p[2] ?? 0)]);
  const scale = axes(svg, box, range(points.map((p) => p[0]), 0.06), range(ends), xLabel, yLabel, { xTicks });
  drawn.forEach((each, index) => {
    const group = shape("g", { "data-row": each.row ?? each.name }), aside = say ? (index - (drawn.length - 1) / 2) * 2.5 : 0;
    const path = each.points.map((p) => `${(scale.x(p[0]) + aside).toFixed(1)},${scale.y(p[1]).toFixed(1)}`).join(" ");
    const style = { fill: "none", stroke: each.style.colour, "stroke-width": 1.8, "stroke-dasharray": each.style.dash };
    group.append(tipped(shape("polyline", { points: path, ...style }), each.name));
    const isPoint = each.points.length === 1; // a line of one point would not be seen
    for (const p of say || isPoint ? each.points : []) {
      const x = scale.x(p[0]) + aside;
      if (p[2]) group.append(line(x, scale.y(p[1] - p[2]), x, scale.y(p[1] + p[2]), { stroke: each.style.colour, class: "bar" }));
      group.append(tipped(marker(x, scale.y(p[1]), each.style, 3.5), say ? `${each.name}: ${say(p)}` : each.name));
    }
    svg.append(group);
  });
  return svg;
}

// Where the name of a point fits: right or left of it, above or below, never over another name, point or the edge.
function placeNames(svg, named, width, height) {
  const taken = named.map(({ x, y }) => [x - 6, y - 6, x + 6, y + 6]);
  const isFree = (box) => box[0] > 0 && box[2] < width && box[1] > 0 && box[3] < height && !taken.some((each) => each[0] < box[2] && box[0] < each[2] && each[1] < box[3] && box[1] < each[3]);
  for (const { x, y, name, group } of named) {
    const long = 6.6 * name.length;
    const spots = [[9, -5, "start"], [-9, -5, "end"], [9, 15, "start"], [-9, 15, "end"]].map(([dx, dy, anchor]) => {
      const left = anchor === "start" ? x + dx : x + dx - long;
      return { dx, dy, anchor, box: [left, y + dy - 11, left + long, y + dy + 3] };
    });
    const found = spots.find((spot) => isFree(spot.box));
    if (!found) continue; // the legend names it too
    taken.push(found.box);
    group.append(shape("text", { x: x + found.dx, y: y + found.dy, "text-anchor": found.anchor }, name));
  }
}

// points: [{name, style, x, y, dx, dy, says}]; better values are to the right and above, whichever way that is
function pareto(points, xLabel, yLabel, lowerX, lowerY, width) {
  const height = Math.min(400, Math.max(300, width * 0.75));
  const svg = canvas(width, height, `${yLabel} against ${xLabel}`), box = { left: 62, top: 14, width: width - 80, height: height - 62 };
  if (!points.length) return svg;
  const ends = (value, spread) => points.flatMap((p) => [p[value] - (p[spread] ?? 0), p[value] + (p[spread] ?? 0)]);
  const scale = axes(svg, box, range(ends("x", "dx"), 0.1), range(ends("y", "dy"), 0.1), `${xLabel} (better: right)`, `${yLabel} (better: up)`, { flipX: lowerX, flipY: lowerY });
  const gain = (p) => [lowerX ? -p.x : p.x, lowerY ? -p.y : p.y];
  const beats = (a, b) => { const [ax, ay] = gain(a), [bx, by] = gain(b); return ax >= bx && ay >= by && (ax > bx || ay > by); };
  const front = points.filter((p) => !points.some((q) => beats(q, p))).sort((a, b) => gain(a)[0] - gain(b)[0]);
  const path = front.map((p) => `${scale.x(p.x)},${scale.y(p.y)}`).join(" ");
  svg.append(shape("polyline", { points: path, fill: "none", stroke: "var(--soft)", "stroke-dasharray": "5 4" }));
  const named = points.map((p) => {
    const x = scale.x(p.x), y = scale.y(p.y), group = shape("g", { "data-row": p.name, "data-front": front.includes(p) });
    const bar = { stroke: p.style.colour, "stroke-width": 1.3, class: "bar" };
    if (p.dx) group.append(line(scale.x(p.x - p.dx), y, scale.x(p.x + p.dx), y, bar));
    if (p.dy) group.append(line(x, scale.y(p.y - p.dy), x, scale.y(p.y + p.dy), bar));
    group.append(tipped(marker(x, y, p.style, front.includes(p) ? 6 : 4.5), p.says));
    svg.append(group);
    return { x, y, name: p.name, group };
  });
  placeNames(svg, named, width, height);
  return svg;
}

// names: spokes; drawn: [{name, style, values: [0..1 or null], says}]; the rim is 1, the centre 0
function radar(names, drawn, width) {
  const radius = Math.min(width / 2 - 84, 180), height = 2 * radius + 64, cx = width / 2, cy = height / 2;
  const svg = canvas(width, height, `radar of ${names.join(", ")}`);
  const place = (index, share) => {
    const angle = (2 * Math.PI * index) / names.length - Math.PI / 2;
    return [cx + Math.cos(angle) * radius * share, cy + Math.sin(angle) * radius * share];
  };
  for (const share of [0.25, 0.5, 0.75, 1]) {
    svg.append(shape("polygon", { points: names.map((_, index) => place(index, share).join(",")).join(" "), fill: "none", stroke: "var(--grid)" }));
  }
  names.forEach((name, index) => {
    const [x, y] = place(index, 1), [tx, ty] = place(index, 1.14);
    svg.append(line(cx, cy, x, y, { stroke: "var(--grid)" }));
    const anchor = Math.abs(tx - cx) < 20 ? "middle" : tx > cx ? "start" : "end";
    svg.append(shape("text", { x: tx, y: ty + 4, "text-anchor": anchor }, name));
  });
  for (const each of drawn) {
    const group = shape("g", { "data-row": each.name }), style = { stroke: each.style.colour, "stroke-width": 1.8, "stroke-dasharray": each.style.dash };
    each.values.forEach((value, index) => {
      const after = (index + 1) % names.length, next = each.values[after];
      if (value === null) return; // a gap, not a zero
      const [x, y] = place(index, value);
      if (next !== null) group.append(line(x, y, ...place(after, next), style));
      group.append(tipped(marker(x, y, each.style, 3.5), `${each.name}, ${names[index]}: ${each.says[index]}`));
    });
    svg.append(group);
  }
  for (const share of [0.25, 0.5, 0.75, 1]) { // between two spokes, where no point is
    const [x, y] = place(0.5, share * Math.cos(Math.PI / names.length));
    svg.append(shape("text", { x: x + 2, y: y - 1, class: "faint ring" }, `${100 * share} %`));
  }
  return svg;
}

// bins: [[confidence, accuracy, share]]
function reliability(name, bins, style, says, width) {
  const svg = canvas(width, width - 12, `reliability of ${name}`), box = { left: 50, top: 8, width: width - 66, height: width - 70 };
  const scale = axes(svg, box, [0, 100], [0, 100], "confidence, %", "accuracy, %", { xTicks: [0, 50, 100], yTicks: [0, 50, 100] });
  svg.append(line(scale.x(0), scale.y(0), scale.x(100), scale.y(100), { stroke: "var(--soft)", "stroke-dasharray": "4 3" }));
  for (const bin of bins) {
    const dot = shape("circle", { cx: scale.x(100 * bin[0]), cy: scale.y(100 * bin[1]), r: 2 + 7 * Math.sqrt(bin[2]), fill: style.colour, "fill-opacity": 0.7 });
    svg.append(tipped(dot, says(bin)));
  }
  return svg;
}
