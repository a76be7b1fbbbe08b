// What scripts add where monitors are put in order: dragging, and moves that keep the place. Loaded after app.js.
"use strict";

// The page that an answer brings takes the place of what is there; where one looks, what is open and the focus stay. Where
// none comes, nothing is known of the move and everything stays as it is, for it is not repeated by itself. Tells whether it came.
async function send(action, body) {
  const answer = await fetch(action, { method: "POST", body }).catch(() => null);
  tell("answers", !answer || answer.status >= 500);
  if (!answer || answer.status >= 500) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = $("[data-arranged]", page);
  if (!fresh) {
    if (answer.redirected) location.assign(answer.url); else location.reload();
    return true;
  }
  const [focused, height, row] = [document.activeElement?.id, scrollY, $(".seats input:checked")?.closest("li")];
  const [id, top] = [row?.id, row?.getBoundingClientRect().top];
  const isOpen = new Set([...$$("details[open] > summary", $("[data-arranged]"))].map((each) => $("span", each).textContent));
  for (const each of $$("details", fresh)) if (isOpen.has($("summary span", each).textContent)) each.open = true;
  $("[data-arranged]").replaceWith(document.adoptNode(fresh));
  say($(".done", page)?.textContent ?? "");
  watch();
  const now = id && document.getElementById(id);
  scrollTo({ top: now ? scrollY + now.getBoundingClientRect().top - top : height, behavior: "instant" });
  ($("[data-arranged] [aria-invalid]") ?? document.getElementById(focused) ?? $("input", now || document.createElement("p")))?.focus({ preventScroll: true });
  return true;
}
function say(text) {
  let done = $(".done");
  if (!text) return done?.remove();
  if (!done) {
    done = document.createElement("p");
    done.className = "done";
    done.setAttribute("role", "status");
    $("#main").prepend(done);
  }
  done.textContent = text;
  return undefined;
}
document.addEventListener("submit", (event) => {
  if (!event.target.closest("[data-arranged]")) return;
  event.preventDefault();
  send(event.target.getAttribute("action"), new URLSearchParams(new FormData(event.target, event.submitter)));
});

// An order changes by dragging too; the buttons beside do the same.
function watch() {
  for (const list of $$("[data-arrange]")) {
    let dragged = null;
    let behind = null;
    for (const item of list.children) item.draggable = true;
    list.addEventListener("dragstart", (event) => {
      dragged = event.target.closest("li");
      behind = dragged.nextSibling;
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
      const { opened, from } = Object.fromEntries(new FormData(list.closest("form")));
      const place = Number(from) + [...list.children].indexOf(dragged) + 1;
      const body = new URLSearchParams({ monitor: dragged.dataset.id, do: "place", place, opened, from });
      const item = dragged;
      dragged = null;
      if (!await send(list.dataset.arrange, body)) list.insertBefore(item, behind);
    });
  }
}
watch();
