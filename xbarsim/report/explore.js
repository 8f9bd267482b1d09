/* Linked charts of designs. Vega draws them from specifications that the page holds; this script links them:
   what is pointed at is named, filters hide designs, and a choice in one chart shows in the others and in the table. */
"use strict";
(function () {
  const root = document.getElementById("explore");
  if (!root || typeof vega === "undefined") return;
  const data = JSON.parse(document.getElementById("explore-data").textContent);
  const named = document.getElementById("explore-named");
  const points = data.rows.map((values, id) => ({ id, values, name: data.names[id], front: data.front.includes(id) }));
  for (const point of points) data.columns.forEach((column, at) => { point["c" + at] = point.values[at]; });
  let kept = points, chosen = new Set(data.best === null ? [] : [data.best]), hovered = null;
  const views = [];

  function describe(point) {
    const shown = data.columns.map((column, at) =>
      column.kind === "metric" && point.values[at] !== null ? column.heading + " " + data.shown[point.id][at] : "");
    return point.name + ": " + shown.filter(Boolean).join(", ");
  }

  function update() {
    for (const view of views) view.signal("chosen", [...chosen]).signal("hovered", hovered).runAsync();
    for (const row of root.querySelectorAll("tbody tr")) {
      const id = Number(row.dataset.id);
      row.classList.toggle("chosen", chosen.has(id));
      row.classList.toggle("pointed", id === hovered);
      row.querySelector("button").setAttribute("aria-pressed", chosen.has(id) ? "true" : "false");
    }
  }

  function point(id) {
    if (id === hovered) return;
    hovered = id;
    named.textContent = id === null ? data.hint : describe(points[id]);
    update();
  }

  function choose(id, adds) {
    if (adds && chosen.has(id)) chosen.delete(id);
    else if (adds) chosen.add(id);
    else chosen = new Set(chosen.size === 1 && chosen.has(id) ? [] : [id]);
    fill();
    update();
  }

  function fill() {
    const body = root.querySelector("tbody");
    body.textContent = "";
    const order = kept.filter((each) => chosen.has(each.id)).concat(kept.filter((each) => !chosen.has(each.id)));
    for (const each of order.slice(0, data.most)) {
      const row = body.insertRow();
      row.dataset.id = each.id;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = each.name;
      button.addEventListener("focus", () => point(each.id));
      button.addEventListener("click", (event) => choose(each.id, event.shiftKey || event.ctrlKey || event.metaKey));
      row.insertCell().append(button);
      row.addEventListener("mouseenter", () => point(each.id));
      data.columns.forEach((column, at) => {
        if (column.kind !== "metric") return;
        const cell = row.insertCell();
        cell.textContent = data.shown[each.id][at];
        cell.dataset.label = column.heading;
      });
    }
    document.getElementById("explore-count").textContent =
      kept.length + " of " + points.length + " designs meet the conditions" +
      (kept.length > data.most ? "; the table shows the first " + data.most : "");
  }

  function filter() {
    const tests = [];
    for (const input of root.querySelectorAll("[data-column]")) {
      const at = Number(input.dataset.column), text = input.value.trim();
      if (text === "") continue;
      const factor = data.columns[at].factor;
      if (input.dataset.test === "is") tests.push((each) => String(each.values[at]) === text);
      else if (Number.isNaN(Number(text))) continue;
      else if (input.dataset.test === "least") tests.push((each) => each.values[at] !== null && each.values[at] * factor >= Number(text) * (1 - 1e-9));
      else tests.push((each) => each.values[at] !== null && each.values[at] * factor <= Number(text) * (1 + 1e-9));
    }
    kept = points.filter((each) => tests.every((test) => test(each)));
    for (const view of views) view.data("kept", kept.map((each) => Object.assign({}, each))).runAsync();
    fill();
    update();
  }

  function draw(element, spec) {
    const view = new vega.View(vega.parse(spec), { renderer: "svg", container: element, hover: false });
    view.data("all", points.map((each) => Object.assign({}, each)));
    view.data("kept", kept.map((each) => Object.assign({}, each)));
    view.signal("chosen", [...chosen]);
    const wide = () => Math.max(220, element.clientWidth);
    view.width(wide());
    view.addEventListener("mouseover", (event, item) => { if (item && item.datum && "id" in item.datum) point(item.datum.id); });
    view.addEventListener("click", (event, item) => {
      if (item && item.datum && "id" in item.datum) { point(item.datum.id); choose(item.datum.id, event.shiftKey || event.ctrlKey || event.metaKey); }
    });
    element.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) {
        const field = spec.usermeta.x, order = kept.filter((each) => each[field] !== null)
          .sort((one, two) => (one[field] < two[field] ? -1 : one[field] > two[field] ? 1 : one.id - two.id));
        if (!order.length) return;
        const at = order.findIndex((each) => each.id === hovered);
        point(order[at < 0 ? 0 : (at + step + order.length) % order.length].id);
        event.preventDefault();
      } else if ((event.key === "Enter" || event.key === " ") && hovered !== null) {
        choose(hovered, event.shiftKey || event.ctrlKey || event.metaKey);
        event.preventDefault();
      } else if (event.key === "Escape") { chosen = new Set(); fill(); point(null); update(); }
    });
    window.addEventListener("resize", () => view.width(wide()).runAsync());
    views.push(view);
    return view.runAsync();
  }

  root.hidden = false;
  named.textContent = data.hint;
  root.querySelectorAll("[data-column]").forEach((input) => input.addEventListener("input", filter));
  document.getElementById("explore-reset").addEventListener("click", () => {
    root.querySelector("form").reset();
    chosen = new Set();
    filter();
  });
  fill();
  Promise.all(data.specs.map((spec, at) => draw(document.getElementById("explore-chart-" + at), spec)))
    .then(() => { update(); root.dataset.ready = "true"; });
})();
