"use strict";
// Draws the report from the content that is in the page.

function claimsOf() {
  if (!content.claims.length) return null;
  const rows = content.claims.map((each) => [each.sweep, element("td", { class: "text wide" }, each.says), each.datasets.join(", "), each.published_numbers ?? "–",
    element("td", { class: `text ${each.verdict.replaceAll(" ", "-")}` }, each.verdict), element("td", { class: "text wide soft" }, each.reason || "")]);
  return section("Claims", "Each sentence of the papers, tested on the numbers that they print and on what is recorded here; undecided means that the seeds do not show it either way.",
    tableOf("Claims of the papers", ["sweep", "the papers say", "dataset", "their numbers", "ours", "why"], rows, [0, 1, 2, 3, 4, 5]));
}

function againOf() {
  const files = content.sweeps.map((each) => folded(`${each.name}.yaml`, element("p", {}, download(`${each.name}.yaml`, "application/yaml", each.yaml)),
    element("pre", { tabindex: "0", role: "group", "aria-label": `Text of ${each.name}.yaml` }, each.yaml)));
  return section("Make it again", "This command computes what is missing and nothing twice; the sweep file below it says what is trained and measured.", element("pre", { class: "wrapped" }, content.command), ...files);
}

// One table: a plain list. Several: a list of tables, each with its sections in a line.
function contentsList() {
  const list = element("ol"), link = ([id, text]) => element("a", { href: `#${id}` }, text);
  let inner = list;
  for (const each of contents) {
    const item = element("li", {}, link(each));
    if (content.parts.length > 1 && each[2] === 2) {
      inner = element("ul", { class: "inline" });
      item.append(inner);
      list.append(item);
    } else inner.append(item);
  }
  if (content.parts.length > 1) list.className = "tables";
  return element("nav", { "aria-label": "Contents" }, element("h2", {}, "Contents"), list);
}

const drawnParts = content.parts.map((part) => {
  const heading = headed(2, content.parts.length > 1 ? `${part.name}: ${part.title}` : part.title);
  const missing = part.wanted - part.recorded, state = missing ? `${part.recorded} of ${part.wanted} cells are recorded: ${missing} ${missing === 1 ? "is" : "are"} missing.` : `All ${part.wanted} cells are recorded.`;
  const drawn = [aboutOf(part), gridOf(part), part.layout === "matrix" ? heatMapsOf(part) : radarOf(part), paretoOf(part), reliabilityOf(part), detailsOf(part), curvesOf(part), costOf(part), originOf(part), dataOf(part)];
  return [heading, element("p", {}, `${part.description} ${state}`), ...drawn.filter(Boolean)];
});
const whole = headed(2, "About the whole sweep");
const last = [whole, ...[claimsOf(), againOf()].filter(Boolean)];
page.append(element("p", { class: "soft" }, `Made ${day(content.made_at)} UTC from ${content.store}.`), contentsList(), ...drawnParts.flat(), ...last);

// What is folded is printed too.
const opened = [];
addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((each) => { each.open = true; opened.push(each); }));
addEventListener("afterprint", () => opened.splice(0).forEach((each) => { each.open = false; }));
document.body.dataset.drawn = "true";
