// Small helps on top of pages that work without them: keys, the theme switch, copying, citations that light up.
(function () {
  "use strict";
  var root = document.documentElement;

  function box() {
    return document.querySelector("[data-question]");
  }

  function remember(choice) {
    try {
      if (choice === "system") localStorage.removeItem("rung-theme");
      else localStorage.setItem("rung-theme", choice);
    } catch (error) {
      // Storage is refused in this browser: the choice lasts as long as the page.
    }
  }

  function prepareTheme() {
    var group = document.querySelector("[data-theme-switch]");
    if (!group) return;
    group.hidden = false;
    group.querySelector('[value="' + (root.dataset.theme || "system") + '"]').checked = true;
    group.addEventListener("change", function (event) {
      var choice = event.target.value;
      if (choice === "system") delete root.dataset.theme;
      else root.dataset.theme = choice;
      remember(choice);
    });
  }

  // Enter asks, Shift+Enter makes a line; an empty question never leaves the page.
  function onKey(event) {
    var target = event.target;
    var typing = target.matches && target.matches("input, textarea, select");
    if (target.matches && target.matches("[data-question]") && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      target.form.requestSubmit(target.form.querySelector("button.primary"));
      return;
    }
    var wantsBox = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
    if (wantsBox && box()) {
      event.preventDefault();
      box().focus();
      box().select();
      return;
    }
    if (event.key === "Escape") leave(target);
    if (!typing && (event.key === "ArrowDown" || event.key === "ArrowUp")) move(event);
    if (target.matches && target.matches("[data-question]") && event.key === "ArrowDown" && !target.value.slice(target.selectionEnd).includes("\n")) move(event);
  }

  function leave(target) {
    var open = document.querySelector("[data-menu][open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else if (target.matches("[data-result], [data-cite]") && box()) {
      box().focus();
    } else if (target.matches("[data-question]")) {
      target.blur();
    }
  }

  function move(event) {
    var items = Array.prototype.filter.call(document.querySelectorAll("[data-result]"), function (item) {
      return item.checkVisibility ? item.checkVisibility() : true;
    });
    if (!items.length) return;
    var at = items.indexOf(document.activeElement);
    if (at < 0 && document.activeElement !== box()) return;
    var next = at + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    if (next < 0) {
      if (box()) box().focus();
      return;
    }
    items[Math.min(next, items.length - 1)].focus();
  }

  function light(event, on) {
    var cite = event.target.closest && event.target.closest("[data-cite]");
    if (!cite) return;
    var turn = cite.closest("[data-turn]");
    if (!turn) return;
    turn.querySelectorAll("[data-cited]").forEach(function (result) {
      var cited = result.dataset.cited.split(" ").indexOf(cite.dataset.cite) >= 0;
      result.classList.toggle("lit", on && cited);
    });
  }

  function prepare(scope) {
    scope.querySelectorAll("[data-copy]").forEach(function (button) {
      button.hidden = !navigator.clipboard;
    });
  }

  function copy(button) {
    var command = button.closest("[data-command]");
    if (command) {
      write(button, command.querySelector("code").textContent);
      return;
    }
    var text = button.closest("[data-turn]").querySelector("[data-answer-text]");
    if (!text) return;
    var plain = Array.prototype.map.call(text.querySelectorAll("p:not(.aside)"), function (paragraph) {
      var copied = paragraph.cloneNode(true);
      copied.querySelectorAll(".cite").forEach(function (cite) {
        cite.replaceWith(" [" + cite.textContent.trim() + "]");
      });
      return copied.textContent.trim();
    });
    write(button, plain.join("\n\n"));
  }

  function write(button, text) {
    navigator.clipboard.writeText(text).then(
      function () { say(button, "Copied"); },
      function () { say(button, "The browser refused to copy"); }
    );
  }

  function say(button, words) {
    var label = button.querySelector("span");
    var before = label.textContent;
    label.textContent = words;
    setTimeout(function () { label.textContent = before; }, 1600);
  }

  document.addEventListener("keydown", onKey);
  ["mouseover", "focusin"].forEach(function (name) {
    document.addEventListener(name, function (event) { light(event, true); });
  });
  ["mouseout", "focusout"].forEach(function (name) {
    document.addEventListener(name, function (event) { light(event, false); });
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (button) copy(button);
    document.querySelectorAll("[data-menu][open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  document.addEventListener("htmx:afterSwap", function (event) {
    prepare(event.target);
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    var form = event.target.closest && event.target.closest("[data-ask]");
    if (!form || !event.detail.successful) return;
    var error = form.querySelector(".field-error");
    if (error) error.textContent = "";
    var question = form.querySelector("[data-question]");
    if (question) question.value = "";
    // On a phone the keyboard would cover the answer.
    if (question && window.matchMedia("(pointer: coarse)").matches) question.blur();
    var turns = document.querySelectorAll("[data-turn]");
    if (turns.length > 1) turns[turns.length - 1].scrollIntoView({ block: "start" });
  });
  document.addEventListener("htmx:sendError", function (event) {
    var form = event.target.closest && event.target.closest("[data-ask]");
    var error = form && form.querySelector(".field-error");
    if (error) error.textContent = "Rung cannot be reached. Your question is still in the box: try again in a moment.";
  });
  document.addEventListener("htmx:sseClose", function (event) {
    if (event.detail.type !== "message") return;
    var turn = event.target.closest("[data-turn]");
    var busy = turn && turn.querySelector("[data-busy]");
    if (busy) busy.setAttribute("aria-busy", "false");
  });
  document.addEventListener("htmx:sseError", function (event) {
    var cut = event.target.querySelector && event.target.querySelector("[data-cut]");
    if (cut) cut.hidden = false;
  });
  document.addEventListener("htmx:sseOpen", function (event) {
    var cut = event.target.querySelector && event.target.querySelector("[data-cut]");
    if (cut) cut.hidden = true;
  });
  document.addEventListener("DOMContentLoaded", function () {
    prepareTheme();
    prepare(document);
  });
})();
