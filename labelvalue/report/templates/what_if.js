"use strict";
(function () {
  const data = JSON.parse(document.getElementById("what-if-data").textContent);
  const root = document.getElementById("what-if-panel");
  const sliders = Array.from(root.querySelectorAll("input[type=range]"));
  const put = (id, text) => { document.getElementById(id).textContent = text; };
  const place = (at) => (at[0] * data.sizes[1] + at[1]) * data.sizes[2] + at[2];
  const base = data.points[place(data.at)];
  function show() {
    const at = sliders.map((slider) => Number(slider.value));
    const point = data.points[place(at)];
    const labels = data.plans[point[0]], before = data.plans[base[0]];
    sliders.forEach((slider, i) => {
      slider.setAttribute("aria-valuetext", data.steps[i][at[i]]);
      put("what-if-" + slider.name + "-step", data.steps[i][at[i]]);
    });
    put("what-if-verdict", point[1]);
    put("what-if-labels", labels.reduce((a, b) => a + b, 0).toLocaleString("en-US"));
    put("what-if-cost", point[2]);
    put("what-if-gain", point[3]);
    put("what-if-net", point[4]);
    put("what-if-chance", point[5]);
    put("what-if-change", point === base ? "This is the decision of this page." :
      "The decision of this page: " + base[1] + ", " + before.reduce((a, b) => a + b, 0).toLocaleString("en-US") + " labels.");
    const body = document.getElementById("what-if-plan");
    const order = labels.map((n, i) => i).filter((i) => labels[i] > 0 || before[i] > 0)
      .sort((a, b) => labels[b] - labels[a] || a - b);
    body.replaceChildren(...order.map((i) => {
      const row = document.createElement("tr"), head = document.createElement("th");
      head.scope = "row";
      head.textContent = data.slices[i];
      row.append(head);
      const moved = labels[i] - before[i];
      const texts = [labels[i].toLocaleString("en-US"),
        moved === 0 ? "as before" : (moved > 0 ? "+" : "\u2212") + Math.abs(moved).toLocaleString("en-US")];
      for (const text of texts) {
        const cell = document.createElement("td");
        cell.className = "n";
        cell.textContent = text;
        row.append(cell);
      }
      return row;
    }));
    body.closest(".scroll").hidden = order.length === 0;
  }
  sliders.forEach((slider) => slider.addEventListener("input", show));
  document.getElementById("what-if-reset").addEventListener("click", () => {
    sliders.forEach((slider, i) => { slider.value = String(data.at[i]); });
    show();
  });
  root.hidden = false;
  show();
})();
