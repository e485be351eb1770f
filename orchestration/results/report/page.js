"use strict";
// Draws the report from the content that is in the page.

const content = JSON.parse(document.getElementById("content").textContent);
const page = document.getElementById("page");
const day = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 16);
const shown = (value, isPercent, digits = 1) => (value === null || value === undefined ? "–" : (isPercent ? 100 * value : value).toFixed(digits));

function section(title, caption, ...children) {
  const made = element("section", { "data-section": title }, element("h3", {}, title));
  if (caption) made.append(element("p", { class: "soft" }, caption));
  made.append(...children);
  return made;
}

function tableOf(header, rows, textColumns = [0]) {
  const head = element("thead", {}, element("tr", {}, ...header.map((text) => element("th", {}, text))));
  const body = element("tbody");
  for (const row of rows) {
    body.append(element("tr", {}, ...row.map((text, index) => element("td", textColumns.includes(index) ? { class: "text" } : {}, String(text)))));
  }
  return element("div", { class: "scroll" }, element("table", {}, head, body));
}

function choose(label, options, onChange) {
  const select = element("select", { "aria-label": label }, ...options.map((text, index) => element("option", { value: index }, text)));
  select.addEventListener("change", () => onChange());
  return { node: element("label", {}, `${label} `, select), value: () => Number(select.value), set: (index) => { select.value = String(index); } };
}

function legend(names) {
  return element("div", { class: "legend" }, ...names.map((name, index) =>
    element("span", {}, element("span", { class: "swatch", style: `background:${colour(index)}` }), name)));
}

// What cells are drawn by: the rows of the table, or each pair of settings where its rows and columns are settings.
function drawnRows(part) {
  if (part.layout !== "matrix") return part.table.rows;
  return [...new Set([part.curves, part.reliability, ...part.details.map((each) => each.rows)].flatMap(Object.keys))];
}

function tone(part, row) {
  return colour(Math.max(0, drawnRows(part).indexOf(row)));
}

function goodness(values, lowerIsBetter) {
  const known = values.filter((value) => value !== null && value !== undefined);
  const low = Math.min(...known), high = Math.max(...known);
  return values.map((value) => {
    if (value === null || value === undefined || known.length < 2 || high === low) return null;
    const share = (value - low) / (high - low);
    return lowerIsBetter ? 1 - share : share;
  });
}

// Entries are ranked within a column, within a row's group, or over the whole grid: as the table says.
function heatGroups(table) {
  const groups = new Map();
  table.entries.forEach((row, i) => row.forEach((entry, j) => {
    const key = table.rank_along === "column" ? `c${j}` : `${table.rank_along === "row" ? i : ""}/${table.columns[j].rank_group}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push([i, j, entry ? entry.mean : null]);
  }));
  const found = table.entries.map((row) => row.map(() => null));
  for (const members of groups.values()) {
    const shares = goodness(members.map((each) => each[2]), table.columns[members[0][1]].lower_is_better);
    members.forEach(([i, j], index) => { found[i][j] = shares[index]; });
  }
  return found;
}

function grid(part) {
  const holder = element("div", { class: "scroll grid" });
  holder.innerHTML = part.html;
  if (!part.table.merges_groups) {
    const shares = heatGroups(part.table);
    holder.querySelectorAll("tbody tr").forEach((row, i) => row.querySelectorAll("td").forEach((cell, j) => {
      if (shares[i] && shares[i][j] !== null && shares[i][j] !== undefined) cell.style.background = heat(shares[i][j]);
    }));
  }
  const made = section("Grid", "Green is the best of its column (or group), red the worst.", holder);
  if (part.compared_html) {
    const nextToPublished = element("div", { class: "scroll" });
    nextToPublished.innerHTML = part.compared_html;
    made.append(element("details", {}, element("summary", {}, "Next to the published numbers"), nextToPublished));
  }
  return made;
}

function matrixMaps(part) {
  const table = part.table, metrics = [...new Set(table.columns.map((column) => column.rank_group))], across = [...new Set(table.columns.map((column) => column.group))];
  const shares = heatGroups(table);
  const room = (least, texts) => Math.max(least, 14 + 7 * Math.max(...texts.map((text) => text.length)));
  const left = room(92, table.rows.map((row) => `${table.corner} = ${row}`)), step = room(84, across);
  const figures = metrics.map((metric) => {
    const places = table.columns.map((column, j) => [column, j]).filter(([column]) => column.rank_group === metric);
    const svg = canvas(left + step * across.length, 60 + 44 * table.rows.length, `heat map of ${metric}`);
    svg.append(shape("text", { x: 8, y: 16, "font-weight": 600 }, metric));
    places.forEach(([column], at) => svg.append(shape("text", { x: left + step * (at + 0.5) - 2, y: 40, "text-anchor": "middle" }, column.group)));
    table.rows.forEach((row, i) => {
      svg.append(shape("text", { x: 8, y: 72 + 44 * i }, `${table.corner} = ${row}`));
      places.forEach(([column, j], at) => {
        const entry = table.entries[i][j], share = shares[i][j];
        const box = shape("rect", { x: left + step * at, y: 48 + 44 * i, width: step - 4, height: 40, fill: share === null ? "#fff" : heat(share), stroke: "#ccd" });
        svg.append(tipped(box, entry ? `n ${entry.n}` : "not recorded"));
        svg.append(shape("text", { x: left + step * (at + 0.5) - 2, y: 72 + 44 * i, "text-anchor": "middle" }, entry ? shown(entry.mean, column.is_percent) : "–"));
      });
    });
    return element("figure", {}, svg);
  });
  return section("Heat map", "One map a metric over both settings; green is best.", element("div", { class: "charts" }, ...figures));
}

function radarOf(part) {
  const table = part.table, names = [...new Set(table.columns.map((column) => column.axis))];
  const shares = heatGroups(table);
  const series = table.rows.map((row, i) => ({
    name: row,
    colour: colour(i),
    values: names.map((axis) => {
      const found = table.columns.map((column, j) => (column.axis === axis ? shares[i][j] : null)).filter((value) => value !== null);
      return found.length ? 0.1 + (0.9 * found.reduce((a, b) => a + b, 0)) / found.length : null;
    }),
  })).filter((each) => each.values.some((value) => value !== null));
  if (names.length < 3 || !series.length) return null;
  const caption = "Normalised performance: for each metric the best row of this table is at the rim and the worst at a tenth of it; an axis is the mean over its metrics.";
  return section("Safety axes", caption, radar(names, series), legend(table.rows));
}

function paretoOf(part) {
  const table = part.table, columns = table.columns;
  if (columns.length < 2 || table.rank_along !== "column") return null;
  const holder = element("div"), names = columns.map((column) => column.label);
  const draw = () => {
    const [a, b] = [columns[first.value()], columns[second.value()]];
    const scale = (column, value) => (column.is_percent ? 100 * value : value);
    const points = table.rows.map((row, i) => ({ row, i, x: table.entries[i][first.value()], y: table.entries[i][second.value()] }))
      .filter((each) => each.x && each.y)
      .map((each) => ({ name: each.row, colour: colour(each.i), x: scale(a, each.x.mean), y: scale(b, each.y.mean) }));
    holder.replaceChildren(pareto(points, a.label, b.label, a.lower_is_better, b.lower_is_better));
  };
  const first = choose("across", names, draw), second = choose("up", names, draw);
  const later = columns.findIndex((column) => column.axis !== columns[0].axis);
  second.set(later < 0 ? 1 : later);
  draw();
  return section("Trade-offs", "Any two metrics; better is to the right and up. Dashed: the Pareto front.", element("p", {}, first.node, second.node), holder);
}

function reliabilityOf(part) {
  const rows = Object.entries(part.reliability);
  if (!rows.length) return null;
  const figures = rows.map(([row, bins]) => element("figure", {}, reliability(row, bins, tone(part, row))));
  return section("Reliability", "Clean test images in bins of confidence, all seeds together; on the diagonal confidence equals accuracy. Area: share of images.", element("div", { class: "charts" }, ...figures));
}

function detailsOf(part) {
  if (!part.details.length) return null;
  const holder = element("div");
  const draw = () => {
    const each = part.details[pick.value()], rows = Object.keys(each.rows);
    const details = [...new Set(rows.flatMap((row) => Object.keys(each.rows[row])))];
    const severities = [...new Set(rows.flatMap((row) => Object.values(each.rows[row]).flatMap(Object.keys)))].sort((a, b) => a - b);
    const wanted = severity.value() - 1;
    const value = (row, detail) => {
      const by = each.rows[row][detail] ?? {}, found = wanted >= 0 && severities[wanted] !== undefined ? [by[severities[wanted]]] : Object.values(by);
      const known = found.filter((one) => one !== undefined);
      return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
    };
    const body = element("tbody"), columns = details.map((detail) => rows.map((row) => value(row, detail)));
    const shares = columns.map((column) => goodness(column, each.lower_is_better));
    rows.forEach((row, i) => body.append(element("tr", {}, element("th", {}, row), ...details.map((_, j) => {
      const made = element("td", {}, shown(columns[j][i], each.is_percent, each.is_percent ? 1 : 2));
      if (shares[j][i] !== null) made.style.background = heat(shares[j][i]);
      return made;
    }))));
    const head = element("thead", {}, element("tr", {}, element("th", {}, "Row"), ...details.map((text) => element("th", {}, text.replaceAll("_", " ")))));
    holder.replaceChildren(element("div", { class: "scroll" }, element("table", {}, head, body)));
    if (severities.length > 1) {
      const series = rows.map((row) => ({
        name: row,
        colour: tone(part, row),
        points: severities.map((level) => {
          const found = Object.values(each.rows[row]).map((by) => by[level]).filter((one) => one !== undefined);
          return [Number(level), (each.is_percent ? 100 : 1) * found.reduce((a, b) => a + b, 0) / found.length];
        }).filter((point) => Number.isFinite(point[1])),
      }));
      holder.append(element("div", { class: "charts" }, element("figure", {}, lines(series, "severity", each.title), element("figcaption", {}, "Mean over all kinds, by severity."))), legend(drawnRows(part)));
    }
  };
  const pick = choose("benchmark", part.details.map((each) => each.title), draw);
  const severity = choose("severity", ["all", "1st", "2nd", "3rd", "4th", "5th"], draw);
  draw();
  return section("Kinds and severities", "Fine values, mean over seeds; green is the best row of a kind.", element("p", {}, pick.node, severity.node), holder);
}

function curvesOf(part) {
  const rows = Object.entries(part.curves).filter(([, cells]) => cells.length);
  if (!rows.length) return null;
  const series = (what) => rows.flatMap(([row, cells]) => cells.map((cell) => ({
    name: `${row}, seed ${cell.seed}`, colour: tone(part, row), points: cell[what].map((value, epoch) => [epoch + 1, value]) })));
  return section("Training", "One line a cell: loss and accuracy on the training images as the network saw them, augmentation included.",
    element("div", { class: "charts" }, lines(series("loss"), "epoch", "loss"), lines(series("accuracy"), "epoch", "training accuracy")), legend(drawnRows(part)));
}

function costOf(part) {
  const number = (value) => value.toFixed(value < 100 ? 1 : 0);
  const rows = part.cost.map((each) => [each.row, each.cells, number(each.train_s_per_cell), number(each.evaluation_s_per_cell), ((each.train_s + each.evaluation_s) / 3600).toFixed(3)]);
  const made = part.ledger, total = (kind) => (made.train_s[kind] + made.evaluation_s[kind]) / 3600;
  const text = made.ratio === null ? "Nothing is recorded." :
    `All recorded cells: ${total("actual").toFixed(3)} device-hours, ${made.ratio.toFixed(2)} times the ${total("estimate").toFixed(3)} that counted operations foretell for ${made.machine}.`;
  return section("Cost", text, tableOf(["row", "cells", "training, device-s a cell", "evaluation, s a cell", "device-hours"], rows));
}

function originOf(part) {
  const versions = new Map();
  part.provenance.forEach((each) => Object.entries(each.versions).forEach(([name, version]) => versions.set(name, (versions.get(name) ?? new Set()).add(version))));
  const spoken = [...versions].map(([name, found]) => `${name} ${[...found].join(", ")}`).join("; ");
  const rows = part.provenance.map((each) => [each.row, each.seed, each.cell, each.checkpoint, each.commit, each.device, each.workers, day(each.recorded_at)]);
  const list = element("details", {}, element("summary", {}, `${rows.length} recorded cells`), tableOf(["row", "seed", "cell", "checkpoint", "commit", "device", "workers", "recorded (UTC)"], rows, [0, 2, 3, 4, 5, 7]));
  return section("Provenance", spoken, list);
}

function dataOf(part) {
  const rows = part.data.map((each) => [each.name, each.identity, each.notes]);
  return section("Data", "What the numbers rest on: declared identity of each dataset, digests of what was loaded, benchmarks and what limits them.", tableOf(["name", "identity", "notes"], rows, [0, 1, 2]));
}

function claimsOf() {
  if (!content.claims.length) return null;
  const body = element("tbody");
  for (const each of content.claims) {
    const verdict = element("td", { class: `text ${each.verdict.replaceAll(" ", "-")}` }, each.verdict);
    body.append(element("tr", {}, element("td", { class: "text wide" }, each.says), element("td", { class: "text" }, each.sweep), element("td", { class: "text" }, each.datasets.join(", ")),
      element("td", { class: "text" }, each.published_numbers ?? "–"), verdict, element("td", { class: "text wide soft" }, each.reason || "")));
  }
  const head = element("thead", {}, element("tr", {}, ...["The papers say", "sweep", "dataset", "their numbers", "ours", "why"].map((text) => element("th", {}, text))));
  return section("Claims", "Each sentence as a predicate, evaluated by the papers' own numbers and by what is recorded here.", element("div", { class: "scroll" }, element("table", {}, head, body)));
}

const overrides = content.overrides.length ? ` Overrides: ${content.overrides.join(", ")}.` : "";
page.append(element("p", { class: "soft" }, `Made ${day(content.made_at)} UTC from ${content.store}.${overrides}`));
for (const part of content.parts) {
  if (content.parts.length > 1) page.append(element("h2", {}, `${part.name}: ${part.title}`));
  page.append(element("p", { class: "soft" }, `${part.description} ${part.recorded} of ${part.wanted} cells recorded.`));
  const drawn = [grid(part), part.layout === "matrix" ? matrixMaps(part) : radarOf(part), paretoOf(part), reliabilityOf(part), detailsOf(part), curvesOf(part), costOf(part), originOf(part), dataOf(part)];
  page.append(...drawn.filter(Boolean));
}
const evaluated = claimsOf();
if (evaluated) page.append(evaluated);
document.body.dataset.drawn = "true";
