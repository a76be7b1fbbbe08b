// What scripts add where monitors are put in order: dragging. Loaded after app.js.
"use strict";

// An order changes by dragging too; the buttons beside do the same.
for (const list of $$("[data-arrange]")) {
  let dragged = null;
  for (const item of list.children) item.draggable = true;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    dragged.classList.add("is-dragged");
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over || over.parentElement !== list) return;
    event.preventDefault();
    const { top, height } = over.getBoundingClientRect();
    list.insertBefore(dragged, event.clientY < top + height / 2 ? over : over.nextSibling);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", async () => {
    dragged.classList.remove("is-dragged");
    const body = new URLSearchParams({ monitor: dragged.dataset.id, before: dragged.nextElementSibling?.dataset.id ?? "" });
    dragged = null;
    await fetch(list.dataset.arrange, { method: "POST", body }).catch(() => null);
    location.reload();
  });
}
