// The curve of costs: the setting looked at is dragged, or moved with the arrow keys. Without a script the
// table below it does the same.
(function () {
  "use strict";

  function prepare(curve) {
    var rows = Array.prototype.slice.call(curve.querySelectorAll("input[data-x]"));
    var label = curve.querySelector("[data-curve-slider]");
    var slider = label.querySelector("input");
    var drawing = curve.querySelector("[data-curve-svg]");
    var width = Number(drawing.dataset.width);
    if (rows.length < 2) return;

    function show(at) {
      var row = rows[at];
      var data = row.dataset;
      row.checked = true;
      slider.value = at;
      slider.setAttribute("aria-valuetext", data.says);
      drawing.setAttribute("aria-label", "Cost against the share answered below the top rung. " + data.says);
      curve.querySelectorAll("[data-curve-dot]").forEach(function (dot) {
        dot.setAttribute("d", "M" + data.x + " " + data.y + "h0");
      });
      curve.querySelector("[data-curve-says]").textContent = data.says;
      curve.querySelector("[data-curve-premium]").textContent = data.premium;
      curve.querySelector("[data-curve-take]").setAttribute("href", data.href);
    }

    function nearest(clientX) {
      var box = drawing.getBoundingClientRect();
      var x = ((clientX - box.left) / box.width) * width;
      var best = 0;
      rows.forEach(function (row, at) {
        if (Math.abs(row.dataset.x - x) < Math.abs(rows[best].dataset.x - x)) best = at;
      });
      return best;
    }

    label.hidden = false;
    curve.classList.add("movable");
    slider.addEventListener("input", function () { show(Number(slider.value)); });
    rows.forEach(function (row, at) {
      row.addEventListener("change", function () { show(at); });
    });
    drawing.addEventListener("pointerdown", function (event) {
      event.preventDefault();
      drawing.setPointerCapture(event.pointerId);
      show(nearest(event.clientX));
      slider.focus();
    });
    drawing.addEventListener("pointermove", function (event) {
      if (drawing.hasPointerCapture(event.pointerId)) show(nearest(event.clientX));
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-curve]").forEach(prepare);
  });
})();
