// What scripts add where monitors are chosen: what is ticked moves to the chosen ones at once. Loaded after app.js.
"use strict";

for (const chooser of $$("[data-chooser]")) {
  const [chosen, none, found, find, said] = ["[data-chosen]", "[data-none]", "#found", "[name=find]", "[data-said]"]
    .map((selector) => $(selector, chooser));
  const tell = (text, item) => { said.textContent = text.replace("{}", $("b", item).textContent); };
  const settle = () => { none.hidden = chosen.children.length > 0; };

  function take(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    chosen.append(item);
    const scope = $("[name=scope][value=chosen]", chooser);
    if (scope) scope.checked = true;
    settle();
    tell(said.dataset.added, item);
    if (next) $("input", next).focus(); else find.focus();
  }
  function drop(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    settle();
    tell(said.dataset.dropped, item);
    if (next) $("[data-drop]", next).focus(); else find.focus();
  }
  chooser.addEventListener("change", (event) => {
    if (event.target.checked && event.target.closest(".found")) take(event.target.closest("li"));
  });
  chooser.addEventListener("click", (event) => {
    if (event.target.closest("[data-drop]")) drop(event.target.closest("li"));
  });
  // What is chosen already is not offered again.
  const hide = () => {
    const keys = new Set([...chosen.children].map((item) => item.dataset.key));
    for (const item of $$(".found li", found)) if (keys.has(item.dataset.key)) item.remove();
  };
  document.addEventListener("htmx:after:swap", hide);
  // The search looks by itself; sending the form is for saving it.
  $("[name=search]", chooser).type = "button";
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    find.parentElement.dispatchEvent(new Event("look"));
  });
}
