"use strict";
const ladder = document.getElementById("ladder"), joins = document.getElementById("joins");
const kinds = { authenticated: "yes", open: "open" };
const SVG = "http://www.w3.org/2000/svg";
function add(parent, kind, attributes, text) {
  const made = document.createElementNS(SVG, kind);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}
function draw() {
  joins.replaceChildren();
  const frame = ladder.getBoundingClientRect(), pairs = [], ends = [];
  const middle = (row) => {
    const box = row.querySelector(".lane").getBoundingClientRect();
    return box.top - frame.top + box.height / 2;
  };
  for (const asked of ladder.querySelectorAll("[data-asks]")) {
    const answer = ladder.querySelector(`[data-answers="${CSS.escape(asked.dataset.asks)}"]`);
    if (answer) pairs.push({ asked, answer, top: middle(asked), end: middle(answer) });
  }
  for (const { asked, answer, top, end } of pairs) {
    let track = ends.findIndex((used) => used < top);  // beside those that are still open
    if (track < 0) track = ends.length;
    ends[track] = end + 8;
    const gutter = asked.querySelector(".gutter").getBoundingClientRect();
    const left = gutter.left - frame.left, room = gutter.width - 14;
    const right = left + Math.max(6, room - (track % 3) * 6);
    const g = add(joins, "g", { class: kinds[answer.dataset.outcome] || "no" });
    add(g, "circle", { cx: left + 1, cy: top, r: 3.5 });
    add(g, "path", { class: "line", d: `M ${left} ${top} H ${right} V ${end} H ${left + 4}` });
    add(g, "path", { class: "head", d: `M ${left - 4} ${end} l 8 -4.5 v 9 z` });
    add(g, "text", { x: right + 3, y: (top + end) / 2 + 4 }, asked.dataset.number);
  }
}
const all = document.getElementById("all");
all.addEventListener("click", () => {
  const open = all.textContent === "Open all";
  for (const row of ladder.querySelectorAll("details")) row.open = open;
  all.textContent = open ? "Close all" : "Open all";
});
new ResizeObserver(draw).observe(ladder);
for (const row of ladder.querySelectorAll("details")) row.addEventListener("toggle", draw);
draw();
