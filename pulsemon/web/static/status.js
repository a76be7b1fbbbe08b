// Keeps the public page up to date where scripts run, says how old it is, and fetches the days of a group that is
// opened. Without scripts a reload and a link do the same.
"use strict";

const EVERY_MS = 10_000;
const PATIENCE_MS = 8_000;
// After so long without an answer the page says that it has none.
const SILENT_MS = 30_000;
const DAYS_AGE_MS = 60_000;
// A page that takes long to fetch and to draw is fetched less often: at most this share of the time goes into it.
const SHARE = 20;
// What bars.js and readers change of what the server sent, which is therefore no change of ours.
const OWN = new Set(["role", "tabindex", "aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"]);

const board = document.getElementById("board");
const silence = document.getElementById("silence");
let answeredAt = performance.now();
let hasFailed = false;
let timer = 0;

async function fetched(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// The same element gets what the fresh one holds: focus, what is open and what is being read stay as they are.
function alter(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType === Node.TEXT_NODE) {
    old.data = fresh.data;
    return;
  }
  alterAttributes(old, fresh);
  if (old.matches("[data-fetched]")) fresh.querySelector(":scope > .show")?.remove();
  const keyed = new Map([...old.children].filter(keyOf).map((each) => [keyOf(each), each]));
  let here = old.firstChild;
  for (const each of [...fresh.childNodes]) {
    const found = keyOf(each) ? keyed.get(keyOf(each)) : nextLike(here, each);
    if (!found) {
      old.insertBefore(each, here);
    } else if (keyOf(each)) {
      if (found === here) here = here.nextSibling;
      else old.insertBefore(found, here);
      alter(found, each);
    } else {
      dropUntil(here, found);
      here = found.nextSibling;
      alter(found, each);
    }
  }
  dropUntil(here, null);
}

const keyOf = (node) => node.dataset?.slug ?? (node.dataset?.group === undefined ? undefined : `group ${node.dataset.group}`);
const classOf = (node) => node.getAttribute?.("class");

function nextLike(here, wanted) {
  let found = here;
  while (found && (keyOf(found) || found.nodeName !== wanted.nodeName || classOf(found) !== classOf(wanted))) {
    // Whatever has a key may be wanted later.
    if (keyOf(found)) return null;
    found = found.nextSibling;
  }
  return found;
}

function dropUntil(here, end) {
  for (let each = here; each && each !== end;) {
    const next = each.nextSibling;
    if (!isKept(each)) each.remove();
    each = next;
  }
}

// Days that were fetched for an opened group, and the mark of the day that is being read.
const isKept = (node) => node.nodeType === Node.ELEMENT_NODE
  && (node.matches(".at") || (node.matches(".days, .legend") && node.closest("[data-fetched]")));

function alterAttributes(old, fresh) {
  const isGroup = old.dataset?.group !== undefined;
  for (const { name, value } of fresh.attributes) {
    if (OWN.has(name) || (isGroup && name === "open") || old.getAttribute(name) === value) continue;
    if (name === "class" && old.matches(".past")) continue;
    old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN.has(name) && name !== "open" && name !== "data-fetched") old.removeAttribute(name);
  }
  // Something went wrong in a group that was folded: it opens. What a reader opened or closed stays so.
  if (isGroup && fresh.open && !old.wasOpen) old.open = true;
  if (isGroup) old.wasOpen = fresh.open;
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  const begun = performance.now();
  try {
    const fresh = (await fetched(location.pathname + location.search)).getElementById("board");
    if (!fresh) throw new Error("this is another page");
    alter(board, fresh);
    document.dispatchEvent(new Event("days:drawn"));
    answeredAt = performance.now();
    hasFailed = false;
    for (const group of board.querySelectorAll("[data-fetched][open]")) {
      if (answeredAt - group.fetchedAt > DAYS_AGE_MS) drawDays(group);
    }
  } catch {
    hasFailed = true;
  }
  tellAge();
  timer = setTimeout(refresh, Math.max(EVERY_MS, SHARE * (performance.now() - begun)));
}

// How old the page is, counted on; and since when nobody answers.
function tellAge() {
  const age = Math.floor((performance.now() - answeredAt) / 1000);
  const line = board.querySelector("[data-age]");
  if (line) {
    const length = age < 60 ? `${age} s` : age < 3600 ? `${Math.floor(age / 60)} min` : `${Math.floor(age / 3600)} h`;
    line.textContent = line.dataset.age.replace("{}", length);
  }
  const isSilent = hasFailed && age * 1000 >= SILENT_MS;
  if (silence.hidden === !isSilent) return;
  silence.textContent = isSilent ? silence.dataset.words.replace("{}", board.querySelector("time.as-of")?.textContent ?? "") : "";
  silence.hidden = !isSilent;
}

// The days of a folded group are not sent with the page: they come when it is opened.
async function drawDays(group) {
  const address = new URL(location.href);
  address.searchParams.set("group", group.dataset.group);
  address.searchParams.set("only", "group");
  try {
    const fresh = await fetched(address);
    group.dataset.fetched = "";
    group.fetchedAt = performance.now();
    group.querySelector(".show")?.remove();
    group.querySelector(":scope > .legend")?.remove();
    alter(group.querySelector(":scope > ul"), fresh.querySelector("ul"));
    group.append(...fresh.querySelectorAll("body > p"));
    document.dispatchEvent(new Event("days:drawn"));
  } catch {
    // The link of the group is still there, and the next refresh tries again.
  }
}

for (const group of board.querySelectorAll("[data-group]")) group.wasOpen = group.open;
// Opening does not bubble.
board.addEventListener("toggle", ({ target }) => {
  const isMissing = target.dataset.group !== undefined && target.dataset.drawn === undefined && target.dataset.fetched === undefined;
  if (target.open && isMissing && target.querySelector(".show")) drawDays(target);
}, true);
setInterval(tellAge, 1_000);
timer = setTimeout(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
