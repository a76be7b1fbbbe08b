// What scripts add to every page of the panel: live states, the reader's own time zone, copying, keys.
// Without them every page and form works as it stands.
"use strict";

document.documentElement.classList.add("js");
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => root.querySelectorAll(selector);
const language = document.documentElement.lang;
const title = document.title;

// Times come by the clock that the browser told last, so that nothing flickers: they are written anew only where the
// reader has another zone by now. The form is that of pulsemon/locale/times.py; the zone goes by its own name, because
// browsers call it otherwise than the server (Brasilia Standard Time).
const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
const isElsewhere = Boolean(timeZone) && document.body.dataset.zone !== timeZone;
if (isElsewhere) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `tz=${timeZone}; path=/; max-age=31536000; samesite=lax${secure}`;
}
const fields = new Intl.DateTimeFormat("en-US", {
  timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
function read(instant, isExact) {
  const part = Object.fromEntries(fields.formatToParts(instant).map(({ type, value }) => [type, value]));
  const day = language === "pt-BR" ? `${part.day}/${part.month}/${part.year}` : `${Number(part.day)} ${months[part.month - 1]} ${part.year}`;
  return { day, clock: `${part.hour}:${part.minute}` + (isExact ? `:${part.second}` : "") };
}
const joined = ({ day, clock }) => day + (language === "pt-BR" ? " " : ", ") + clock;
function localise(root) {
  const counts = $("[data-down]");
  if (counts) document.title = Number(counts.dataset.down) ? `(${counts.dataset.down}) ${title}` : title;
  if (!isElsewhere) return;
  for (const time of $$("time[datetime]", root)) {
    const start = new Date(time.dateTime);
    if (Number.isNaN(start.getTime())) continue;
    const isExact = time.classList.contains("is-exact");
    time.title = `${joined(read(start, true))} (${timeZone})`;
    if (!time.classList.contains("abs")) continue;
    time.textContent = joined(read(start, isExact));
    if (!time.dataset.end) continue;
    const [first, last] = [read(start, isExact), read(new Date(time.dataset.end), isExact)];
    time.textContent += ` – ${first.day === last.day ? last.clock : joined(last)}`;
  }
  for (const name of $$("[data-zone-name]", root)) name.textContent = timeZone;
}
localise(document);
// What is shown may be old: the stream is down, or the server could not answer.
const offline = $("#offline");
const trouble = new Set();
// Whether a form holds what somebody wrote: loading the page anew would lose it, and sending it does not.
let isTyped = $("#problems, [data-returned]") !== null;
document.addEventListener("input", (event) => { isTyped ||= event.target.form?.method === "post"; });
function tell(source, isTroubled) {
  if (isTroubled) trouble.add(source); else trouble.delete(source);
  offline.textContent = !trouble.size ? "" : document.body.dataset[trouble.has("session") ? "ended" : "offline"];
  offline.hidden = !trouble.size;
}
document.addEventListener("htmx:after:swap", (event) => {
  // Told of an answer that brings nothing in as well.
  if (event.detail.ctx.response?.status < 400) ["answers", "session"].forEach((each) => tell(each, false));
  localise(document);
});
document.addEventListener("htmx:response:error", (event) => {
  const { status } = event.detail.ctx.response;
  // A session that ended: the login form stands at the same address. A monitor that was deleted: the page says so.
  if (status === 401 && isTyped) tell("session", true);
  else if (status === 401 || status === 404) location.reload();
  else tell("answers", status >= 500);
});

// Live: the server says that something changed, and the parts that show states fetch themselves anew.
const parts = $$("[hx-trigger*=refresh], [data-refresh]");
const refresh = () => parts.forEach((part) => part.dispatchEvent(new Event("refresh")));
let stream = null;
let retry = 0;
function listen() {
  clearTimeout(retry);
  stream?.close();
  stream = new EventSource(document.body.dataset.live);
  stream.addEventListener("changed", refresh);
  // Always: what changed after the page was made and before the stream was open is told by nobody.
  stream.addEventListener("open", () => {
    refresh();
    tell("stream", false);
  });
  stream.addEventListener("error", () => {
    tell("stream", true);
    // The browser gives up after an answer that is no stream (the server restarts behind a proxy).
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(listen, 3000);
  });
}
function listenWhileVisible() {
  // A browser opens six connections to one host: a tab nobody looks at must not hold one.
  if (document.hidden) {
    clearTimeout(retry);
    stream?.close();
    stream = null;
  } else if (!stream) {
    listen();
  }
}
if (document.body.dataset.live && parts.length) {
  if (!document.hidden) listen();
  document.addEventListener("visibilitychange", listenWhileVisible);
  addEventListener("pagehide", () => stream?.close());
}

// What was done is said once: a reload is another matter.
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}

// Back to the list as it was left, with its filters. Set when it is followed: the link may have been drawn anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('.back a[href="/"]');
  if (link) link.href = sessionStorage.getItem("list") ?? "/";
});

// Copy, also where the browser has no clipboard for pages without HTTPS.
async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  const before = (button.dataset.label ??= button.textContent);
  button.textContent = document.body.dataset.copied;
  setTimeout(() => { button.textContent = before; }, 2000);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

// A menu closes on Esc, which gives the focus back, and when something else is pressed or reached.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  $("summary", menu).focus();
});
for (const leaving of ["click", "focusin"]) {
  document.addEventListener(leaving, (event) => {
    for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}

// On a phone the section that is shown may lie beyond the edge.
$(".sections [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

// What is typed as a time is the reader's own: the form says whose, unless the address has said so already.
for (const field of $$("input[data-zone]")) {
  if (field.value || !timeZone) continue;
  field.value = timeZone;
  for (const label of $$("[data-zone-of]", field.form)) label.textContent = timeZone;
}

// A failed form that was not focused by the browser: the list of what is wrong, or the one field.
$(".problems[autofocus], [aria-invalid=true]")?.focus();

// Keys, never while somebody types.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable], dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    if ($("#q")) $("#q").focus(); else if (document.body.dataset.live) location.assign("/#q");
  } else if (event.key === "n" && document.body.dataset.new) {
    location.assign(document.body.dataset.new);
  } else if (event.key === "?") {
    $("#help")?.showModal();
  }
});
if (location.hash === "#q") $("#q")?.focus();

// A form that comes back after a login: at once, but not for whoever goes back to this page.
const again = $("form[data-continue]");
if (again && performance.getEntriesByType("navigation")[0]?.type === "navigate") again.requestSubmit();
