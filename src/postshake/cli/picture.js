"use strict";
const ladder = document.getElementById("ladder"), joins = document.getElementById("joins");
function draw() {
  joins.replaceChildren();
  const frame = ladder.getBoundingClientRect();
  for (const asked of ladder.querySelectorAll("[data-asks]")) {
    const key = CSS.escape(asked.dataset.asks);
    const answer = ladder.querySelector(`[data-answers="${key}"]`);
    if (!answer) continue;
    const from = asked.querySelector(".rail").getBoundingClientRect();
    const to = answer.querySelector(".rail").getBoundingClientRect();
    const x = from.right - frame.left - 1;
    const y1 = from.top - frame.top + from.height / 2, y2 = to.top - frame.top + to.height / 2;
    const bend = Math.min(14, 6 + (y2 - y1) / 4);
    for (const kind of ["halo", answer.dataset.outcome === "authenticated" ? "yes" : "no"]) {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", `M ${x} ${y1} C ${x + bend} ${y1}, ${x + bend} ${y2}, ${x} ${y2}`);
      path.classList.add(kind);
      joins.append(path);
    }
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
