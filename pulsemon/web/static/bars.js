// Bars of days that a finger, a pointer and keys can read: one widget a monitor, one line that says what a day was.
// Without scripts a list says it of the days that have something to tell.
"use strict";

// Of each drawing that somebody is in: the day that is read, counted from the oldest one.
const places = new WeakMap();
const WEEK = 7;
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -WEEK, PageUp: WEEK, Home: -Infinity, End: Infinity };

const drawingOf = (target) => target instanceof Element && target.closest("[data-looks] > .bars");
const looksOf = (drawing) => drawing.parentElement.dataset.looks;
const legendOf = (drawing) => (drawing.closest("details") ?? document).querySelector("[data-dates]") ?? document.querySelector("[data-dates]");

function wordsOf(drawing, place) {
  const told = drawing.parentElement.querySelector(`[data-day="${place}"]`);
  if (told) return told.textContent;
  const legend = legendOf(drawing);
  return legend ? `${legend.dataset.dates.split("|")[place]}: ${legend.dataset[looksOf(drawing)[place]] ?? ""}` : "";
}

function show(drawing, place) {
  const count = looksOf(drawing).length;
  const day = Math.max(0, Math.min(count - 1, place));
  places.set(drawing, day);
  let mark = drawing.querySelector(".at");
  if (!mark) {
    mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    mark.setAttribute("class", "at");
    mark.setAttribute("width", 4);
    mark.setAttribute("height", 32);
    drawing.prepend(mark);
  }
  mark.setAttribute("x", 4 * day);
  const words = wordsOf(drawing, day);
  const line = drawing.parentElement.querySelector("output");
  drawing.setAttribute("aria-valuenow", day + 1);
  drawing.setAttribute("aria-valuetext", words.split(":")[0]);
  drawing.parentElement.classList.add("is-read");
  if (line.textContent !== words) line.textContent = words;  // what it says already is not said again
}

function leave(drawing) {
  places.delete(drawing);
  drawing.querySelector(".at")?.remove();
  drawing.parentElement.classList.remove("is-read");
  drawing.parentElement.querySelector("output").textContent = "";
}

// Whatever drew the page anew knows nothing of this: it is put back.
function enliven() {
  for (const drawing of document.querySelectorAll("[data-looks] > .bars")) {
    const count = looksOf(drawing).length;
    if (!count) continue;
    drawing.parentElement.classList.add("is-live");
    drawing.setAttribute("role", "slider");
    drawing.setAttribute("tabindex", 0);
    drawing.setAttribute("aria-valuemin", 1);
    drawing.setAttribute("aria-valuemax", count);
    if (places.has(drawing)) show(drawing, places.get(drawing));
    else if (!drawing.hasAttribute("aria-valuenow")) drawing.setAttribute("aria-valuenow", count);
  }
}

function point(event) {
  const drawing = drawingOf(event.target);
  if (!drawing) return;
  const { left, width } = drawing.getBoundingClientRect();
  show(drawing, Math.floor(((event.clientX - left) / width) * looksOf(drawing).length));
}
document.addEventListener("pointerdown", point);
document.addEventListener("pointermove", point);
document.addEventListener("pointerout", (event) => {
  const drawing = event.pointerType === "mouse" && drawingOf(event.target);
  if (drawing && !drawing.contains(event.relatedTarget) && drawing !== document.activeElement) leave(drawing);
});
document.addEventListener("focusin", (event) => {
  const drawing = drawingOf(event.target);
  if (drawing && !places.has(drawing)) show(drawing, looksOf(drawing).length - 1);
});
document.addEventListener("focusout", (event) => {
  const drawing = drawingOf(event.target);
  if (drawing) leave(drawing);
});
document.addEventListener("keydown", (event) => {
  const drawing = drawingOf(event.target);
  if (!drawing || event.ctrlKey || event.altKey || event.metaKey || !(event.key in KEYS)) return;
  event.preventDefault();
  show(drawing, (places.get(drawing) ?? looksOf(drawing).length - 1) + KEYS[event.key]);
});
document.addEventListener("htmx:after:swap", enliven);
document.addEventListener("days:drawn", enliven);
enliven();
