"use strict";
// The sections of one table of the sweep; each returns an element, or null where there is nothing to show.

// What cells are drawn by: the rows of the table, or each pair of settings where its rows and columns are settings.
function drawnRows(part) {
  if (part.layout !== "matrix") return part.table.rows;
  return [...new Set([part.curves, part.reliability, ...part.details.map((each) => each.rows)].flatMap(Object.keys))];
}

const styleIn = (part) => (row) => series(Math.max(0, drawnRows(part).indexOf(row)));

function aboutOf(part) {
  const rows = element("dl"), columns = element("dl");
  const same = new Map(); // rows of one method differ in settings that their names say
  for (const each of part.described_rows) same.set(each.what || each.method, [...(same.get(each.what || each.method) ?? []), each.row]);
  for (const [what, names] of same) rows.append(element("dt", {}, names.join("; ")), element("dd", {}, what));
  for (const each of part.described_columns) {
    const noise = each.noise === null ? "" : ` Noise between seeds: differences below ${shown(each.noise, each.is_percent)} may be chance.`;
    columns.append(element("dt", {}, `${each.label} (${each.lower_is_better ? "lower" : "higher"} is better)`), element("dd", {}, `${each.question} ${each.says}${noise}`));
  }
  const lists = [folded(`The rows: ${part.described_rows.length} ways of training`, rows), folded("The columns: what was measured", columns)];
  lists.forEach((each) => { each.open = content.parts.length === 1; });
  return section("What is compared", part.introduction, ...lists);
}

function gridOf(part) {
  const holder = scrolled(`Grid of ${part.title}`);
  holder.innerHTML = part.html;
  const foot = holder.querySelector("tfoot td"), notes = element("p", { class: "notes" });
  if (foot) { notes.innerHTML = foot.innerHTML; holder.querySelector("tfoot").remove(); }
  const isTinted = !part.table.merges_groups;
  if (isTinted) holder.querySelectorAll("tbody tr").forEach((row, i) => row.querySelectorAll("td").forEach((cell, j) => tinted(cell, part.table.shades[i]?.[j])));
  const made = section("Grid", `How to read it: bold is the best of its column or group, underlined the second best. ${isTinted ? part.shade_rule : ""}`, ...(isTinted ? [colourScale()] : []), holder, notes);
  if (part.compared_html) {
    const compared = scrolled(`Published numbers of ${part.title}`);
    compared.innerHTML = part.compared_html;
    made.append(folded("Next to the published numbers", compared));
  }
  const stem = part.name.replaceAll(/[^\w-]+/g, "-");
  made.append(element("p", {}, "The numbers as files: ", download(`${stem}.csv`, "text/csv", part.csv), ", ", download(`${stem}.tex`, "application/x-tex", part.latex)));
  return made;
}

function heatMapsOf(part) {
  const table = part.table, metrics = [...new Set(table.columns.map((column) => column.rank_group))];
  const maps = metrics.map((metric) => {
    const places = table.columns.map((column, j) => [column, j]).filter(([column]) => column.rank_group === metric);
    const rows = table.rows.map((row, i) => [`${table.corner} = ${row}`, ...places.map(([column, j]) => {
      const entry = table.entries[i][j];
      return tinted(element("td", {}, entry ? withSpread(entry.mean, entry.spread, column.is_percent) : "–"), table.shades[i][j]);
    })]);
    const title = `${places[0][0].metric_label} (${places[0][0].lower_is_better ? "lower" : "higher"} is better)`;
    return element("div", {}, element("h4", {}, title), tableOf(`Heat map of ${title}`, [table.corner, ...places.map(([column]) => column.group.replaceAll(" ", "\u00a0"))], rows));
  });
  return section("Heat map", `How to read it: one map per metric over both settings. ${part.shade_rule}`, colourScale(), ...maps);
}

function radarOf(part) {
  if (!part.radar) return null;
  const names = part.radar.axes, styleOf = styleIn(part), rows = Object.entries(part.radar.rows);
  const drawn = rows.map(([row, values]) => ({ name: row, style: styleOf(row), values, says: values.map((value) => `${shown(value, true)} %`) }));
  const left = part.radar.left_out.length ? ` Left out, since it has no worst value: ${part.radar.left_out.join(", ")}.` : "";
  const holder = element("div", {}, figure((width) => radar(names, drawn, width), 560).node);
  return section("Safety axes", `How to read it: farther out is better on every spoke. ${content.radar_rule}${left}`, holder, legend(rows.map(([row]) => row), styleOf, holder),
    folded("The same as a table", tableOf("Scores on the safety axes", ["row", ...names], rows.map(([row, values]) => [row, ...values.map((value) => shown(value, true))]))));
}

function paretoOf(part) {
  const table = part.table, columns = table.columns, styleOf = styleIn(part);
  if (columns.length < 2 || table.rank_along !== "column") return null;
  const names = columns.map((column) => column.label), holder = element("div");
  const draw = (width) => {
    const [a, b] = [columns[first.value()], columns[second.value()]];
    const points = table.rows.map((row, i) => ({ row, x: table.entries[i][first.value()], y: table.entries[i][second.value()] }))
      .filter((each) => each.x && each.y)
      .map(({ row, x, y }) => ({
        name: row, style: styleOf(row), x: scaled(x.mean, a.is_percent), y: scaled(y.mean, b.is_percent), dx: x.spread && scaled(x.spread, a.is_percent), dy: y.spread && scaled(y.spread, b.is_percent),
        says: `${row}: ${withSpread(x.mean, x.spread, a.is_percent)}, ${withSpread(y.mean, y.spread, b.is_percent)}`,
      }));
    return pareto(points, unit(a.label, a.is_percent), unit(b.label, b.is_percent), a.lower_is_better, b.lower_is_better, width);
  };
  const made = figure(draw, 640), first = choose("across", names, made.again), second = choose("up", names, made.again);
  const later = columns.findIndex((column) => column.axis !== columns[0].axis);
  second.set(later < 0 ? 1 : later);
  holder.append(made.node);
  return section("Trade-offs", "How to read it: better is to the right and up. Rows on the dashed line (the Pareto front) are beaten on both metrics by no other row. Bars are ± one standard deviation over seeds.",
    element("p", {}, first.node, second.node), holder, legend(table.rows, styleOf, holder));
}

function reliabilityOf(part) {
  const rows = Object.entries(part.reliability), styleOf = styleIn(part);
  if (!rows.length) return null;
  const says = ([confidence, accuracy, share]) => `confidence ${shown(confidence, true)} %, accuracy ${shown(accuracy, true)} %, ${shown(share, true)} % of the images`;
  const figures = rows.map(([row, bins]) => element("figure", { class: "small" }, element("figcaption", {}, row), reliability(row, bins, styleOf(row), says, page.clientWidth < 600 ? 166 : 220)));
  return section("Reliability", "How to read it: on the dashed line confidence is what it promises; dots below it are overconfident, above it too cautious. Clean test images in bins of confidence, all seeds together; the area of a dot is the share of images in its bin.", element("div", { class: "charts" }, ...figures));
}

function detailsOf(part) {
  if (!part.details.length) return null;
  const table = element("div"), chart = element("div"), styleOf = styleIn(part);
  let each = part.details[0];
  const curve = (width) => {
    const drawn = Object.entries(each.curve).map(([row, points]) => ({ name: row, style: styleOf(row), points: points.map((p) => [p[0], scaled(p[1], each.is_percent), p[2] === null ? null : scaled(p[2], each.is_percent)]) }));
    return lines(drawn, "severity", unit(each.title, each.is_percent), width, { say: (p) => `severity ${p[0]}: ${withSpread(p[1], p[2], false)}`, xTicks: each.severities.map(Number) });
  };
  const curved = figure(curve, 640, "How to read it: each line is a row, from mild to strong changes; the flatter, the more robust. The mean over all kinds; bars are ± one standard deviation over seeds.");
  chart.append(curved.node, legend(drawnRows(part), styleOf, chart));
  const draw = () => {
    each = part.details[pick.value()];
    const rows = Object.keys(each.rows), kinds = [...new Set(rows.flatMap((row) => Object.keys(each.rows[row])))];
    const level = severity.value() === 0 ? "all" : each.severities[severity.value() - 1] ?? "all";
    const body = rows.map((row) => [row, ...kinds.map((kind) => {
      const found = each.rows[row][kind]?.[level];
      return found ? tinted(element("td", {}, withSpread(found[0], found[1], each.is_percent)), found[3]) : element("td", {}, "–");
    })]);
    table.replaceChildren(tableOf(`${each.title} by kind`, ["row", ...kinds.map((kind) => kind.replaceAll("_", " "))], body));
    chart.hidden = !Object.keys(each.curve).length;
    curved.again();
  };
  const most = Math.max(...part.details.map((one) => one.severities.length));
  const pick = choose("metric", part.details.map((one) => one.title), draw);
  const severity = choose("severity", ["all", ...(most > 1 ? part.details.find((one) => one.severities.length === most).severities : [])], draw);
  draw();
  return section("Kinds and severities", `How to read it: one column for each kind of change. ${part.shade_rule}`, element("p", {}, pick.node, severity.node), table, chart);
}

function curvesOf(part) {
  const rows = Object.entries(part.curves).filter(([, cells]) => cells.length), styleOf = styleIn(part);
  if (!rows.length) return null;
  const drawn = (what, factor) => rows.flatMap(([row, cells]) => cells.map((cell) => ({ row, name: `${row}, seed ${cell.seed}`, style: styleOf(row), points: cell[what].map((value, epoch) => [epoch + 1, factor * value]) })));
  const most = Math.max(...rows.flatMap(([, cells]) => cells.map((cell) => cell.loss.length)));
  const whole = most <= 6 ? { xTicks: Array.from({ length: most }, (_, epoch) => epoch + 1) } : {};
  const holder = element("div", {}, element("div", { class: "charts" }, figure((width) => lines(drawn("loss", 1), "epoch", "loss", width, whole), 540).node,
    figure((width) => lines(drawn("accuracy", 100), "epoch", "training accuracy, %", width, whole), 540).node));
  return section("Training", "How to read it: one line for each cell; the loss should fall and level off. Loss and accuracy are on the training images as the network saw them, changed by the method, so they do not rank the rows.", holder, legend(rows.map(([row]) => row), styleOf, holder));
}

function costOf(part) {
  const rows = part.cost.map((each) => [each.row, each.cells, duration(each.train_s_per_cell), duration(each.evaluation_s_per_cell), duration(each.train_s + each.evaluation_s)]);
  const made = part.ledger, total = (kind) => duration(made.train_s[kind] + made.evaluation_s[kind]);
  const text = made.ratio === null ? "Nothing is recorded." :
    `All recorded cells took ${total("actual")} of device time, ${made.ratio.toFixed(1)} times the ${total("estimate")} that is estimated from operation counts for ${made.machine}.`;
  return section("Cost", text, tableOf("Cost of each row", ["row", "cells", "training, device time a cell", "evaluation a cell", "all cells"], rows));
}

function originOf(part) {
  const versions = new Map();
  part.provenance.forEach((each) => Object.entries(each.versions).forEach(([name, version]) => versions.set(name, (versions.get(name) ?? new Set()).add(version))));
  const spoken = [...versions].map(([name, found]) => `${name} ${[...found].join(", ")}`).join("; ");
  const rows = part.provenance.map((each) => [each.row, each.seed, each.cell, each.checkpoint, each.commit, each.device, each.workers, day(each.recorded_at)]);
  return section("Provenance", `Computed with ${spoken || "nothing yet"}.`, folded(`${rows.length} recorded cells: commit, device and checkpoint of each`, tableOf("Recorded cells", ["row", "seed", "cell", "checkpoint", "commit", "device", "workers", "recorded (UTC)"], rows, [0, 2, 3, 4, 5, 7])));
}

function dataOf(part) {
  const rows = part.data.map((each) => [each.name, element("td", { class: "text hash" }, each.identity), element("td", { class: "text wide" }, each.notes)]);
  return section("Data", "What the numbers rest on: declared identity of each dataset, digests of what was loaded, benchmarks and what limits them.", tableOf("Data", ["name", "identity", "notes"], rows, [0, 1, 2]));
}
