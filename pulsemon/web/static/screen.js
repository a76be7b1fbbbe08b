// Keeps a wall screen up to date without a flicker, and says when nobody answers and how old is what stands there.
"use strict";

const EVERY_MS = 5_000;
const PATIENCE_MS = 8_000;
// After so long without an answer it is said.
const LOST_MS = 15_000;

const screen_ = document.getElementById("screen");
const lost = document.getElementById("lost");
let answeredAt = performance.now();
let hasFailed = screen_.querySelector("ul") === null;

async function refresh() {
  try {
    const answer = await fetch(location.href, {
      headers: { accept: "text/html" },
      cache: "no-cache",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    // The address was revoked, or is over: the page that says so takes the place of this one.
    if (answer.status === 404) location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("screen");
    if (!fresh) throw new Error("this is another page");
    if (!screen_.isEqualNode(fresh)) screen_.replaceChildren(...fresh.childNodes);
    answeredAt = performance.now();
    hasFailed = false;
  } catch {
    hasFailed = true;
  }
  tellAge();
  setTimeout(refresh, EVERY_MS);
}

function tellAge() {
  const age = Math.floor((performance.now() - answeredAt) / 1000);
  const isLost = hasFailed && age * 1000 >= LOST_MS;
  screen_.classList.toggle("is-lost", isLost);
  lost.hidden = !isLost;
  if (!isLost) return;
  // In steps, so that a screen reader is not told each second.
  const length = age < 60 ? `${Math.floor(age / 15) * 15} s` : age < 3600 ? `${Math.floor(age / 60)} min` : `${Math.floor(age / 3600)} h`;
  const words = lost.dataset.words.replace("{}", length);
  if (lost.textContent !== words) lost.textContent = words;
}

setInterval(tellAge, 1_000);
setTimeout(refresh, EVERY_MS);
