// Sets the colours before the first paint, so that a page never flashes in the wrong ones.
(function () {
  "use strict";
  var choice = null;
  try {
    choice = localStorage.getItem("rung-theme");
  } catch (error) {
    // Storage is refused in this browser: the system's colours are used and the choice lasts one page.
  }
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
  document.documentElement.classList.add("js");
})();
