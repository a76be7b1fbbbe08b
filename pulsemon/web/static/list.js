// What scripts add to the list of monitors: it follows the filters, changes while one looks, and counts what is selected.
// Loaded after app.js, whose names it uses.
"use strict";

const list = $("[data-list]");
const filters = $("#filters");
const bulk = $("#selected");
const rows = $("[data-rows]", list);
// Nothing is selected by whoever may do nothing with it.
const picks = () => [...$$(".pick", rows)];

// A refusal comes from another address: what is asked for from here on, and by a reload, is this list.
if (location.pathname !== "/") history.replaceState(null, "", list.dataset.address);

// Whoever opens a monitor finds the way back to the list as it was.
function remember() {
  sessionStorage.setItem("list", location.pathname + location.search);
}

// The project that this page shows, whatever other tabs show by now.
const within = (asked) => (asked && list.dataset.project ? `${asked}&${list.dataset.project.slice(1)}` : asked || list.dataset.project);

// One request at a time, and the next one when the server says that it pays.
let etag = list.dataset.etag;
let asking = false;
let again = false;
let earliest = 0;
let waiting = 0;
async function ask() {
  clearTimeout(waiting);
  const wait = earliest - Date.now();
  if (asking || wait > 0) {
    if (asking) again = true; else waiting = setTimeout(ask, wait);
    return;
  }
  asking = true;
  const asked = location.search;
  try {
    const answer = await fetch(`/fragments/list${within(asked)}`, { headers: { "if-none-match": etag }, cache: "no-store" });
    if (answer.status === 401 || answer.status === 404) return location.reload();
    earliest = Date.now() + Number(answer.headers.get("refresh-after") ?? 1000);
    tell("answers", answer.status >= 500);
    if (answer.ok && asked === location.search) show(await answer.json());
  } catch {
    earliest = Date.now() + 3000;
    tell("answers", true);
  } finally {
    asking = false;
  }
  if (again) {
    again = false;
    ask();
  }
}
list.addEventListener("refresh", ask);
setInterval(() => { if (!document.hidden) ask(); }, 10_000);

function show(told) {
  etag = told.etag;
  const known = new Map([...rows.children].map((row) => [row.id, row]));
  const focused = document.activeElement?.closest("[data-rows] a, [data-rows] input");
  const place = focused && [focused.closest("li").id, [...$$("a, input", focused.closest("li"))].indexOf(focused)];
  const parse = document.createElement("template");
  const inOrder = told.order.map((id) => {
    const before = known.get(`m-${id}`);
    if (!(id in told.rows)) return before;
    parse.innerHTML = told.rows[id];
    const row = parse.content.firstElementChild;
    if (bulk) $(".pick", row).checked = before ? $(".pick", before).checked : takeBack(id);
    return row;
  }).filter(Boolean);
  if (inOrder.length !== told.order.length) {
    etag = "";  // a row that the server took for known is not here
    ask();
  }
  for (const row of known.values()) if (bulk && !told.order.includes(Number(row.id.slice(2)))) keepSelected($(".pick", row));
  // Only what moved is moved: a row that somebody is about to click stays under the pointer where it can.
  inOrder.forEach((row, index) => {
    if (rows.children[index] !== row) rows.insertBefore(row, rows.children[index] ?? null);
  });
  while (rows.children.length > inOrder.length) rows.lastElementChild.remove();
  if (told.head !== undefined) $("[data-head]", list).innerHTML = told.head;
  if (told.foot !== undefined) $("[data-foot]", list).innerHTML = told.foot;
  if (place && !document.activeElement.closest("[data-rows]")) {
    $$("a, input", document.getElementById(place[0]) ?? document.createElement("p"))[place[1]]?.focus({ preventScroll: true });
  }
  localise(list);
  count();
}

// The list follows the filters, and so does the address.
let typing = 0;
function follow() {
  const wanted = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
  history.replaceState(null, "", wanted.size ? `/?${wanted}` : "/");
  remember();
  etag = "";
  earliest = 0;
  if (bulk) whole.checked = false;  // others fit now than those that were meant
  count();
  ask();
}
$("#q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(follow, 150);
});
filters.addEventListener("change", (event) => {
  if (event.target.matches("select")) {
    event.target.classList.toggle("is-chosen", Boolean(event.target.value));
    follow();
  }
});
filters.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  follow();
});

// What is selected: counted, all at once, from here to there.
const whole = bulk && $("[name=all]", bulk);
const counted = bulk && $(".tally", bulk);
let last = null;

// What is selected stays so while its row is not shown: the form names it by a field of its own.
const unseen = () => [...$$("[type=hidden][name=monitor]", bulk)];
function keepSelected(pick) {
  if (!pick.checked) return;
  const field = Object.assign(document.createElement("input"), { type: "hidden", name: "monitor", value: pick.value });
  bulk.append(field);
}
function takeBack(id) {
  const field = unseen().find((each) => each.value === String(id));
  field?.remove();
  return Boolean(field);
}

function count() {
  if (!bulk) return;
  const out = unseen().length;
  const chosen = picks().filter((pick) => pick.checked).length + out;
  const found = $("[data-fitting]", list)?.dataset.fitting ?? "";
  $("[data-found]", bulk).textContent = `(${found})`;
  const number = whole.checked ? Number(found) : chosen;
  const words = number === 1 ? counted.dataset.one : counted.dataset.many.replace("{count}", number);
  const apart = whole.checked || !out ? "" : ` (${counted.dataset.unseen.replace("{count}", out)})`;
  counted.textContent = words + apart;
}
list.addEventListener("click", (event) => {
  const pick = event.target.closest(".pick");
  if (!pick) return;
  const all = picks();
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(pick)].sort((one, other) => one - other);
    for (const each of all.slice(from, to + 1)) each.checked = pick.checked;
  }
  last = pick;
  count();
});
bulk?.addEventListener("change", count);
if (bulk) $("[data-clear]", bulk).addEventListener("click", () => {
  for (const pick of picks()) pick.checked = false;
  for (const field of unseen()) field.remove();
  whole.checked = false;
  bulk.classList.remove("is-open");
  count();
});
remember();
count();
