// What scripts add to every page of the panel: live states, the reader's own time zone, copying, keys.
// Without them every page and form works as it stands.
"use strict";

document.documentElement.classList.add("js");
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => root.querySelectorAll(selector);
const language = document.documentElement.lang;
const title = document.title;

// Times are written in UTC; a browser knows its reader's zone.
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
function localise(root) {
  for (const time of $$("time[datetime]", root)) {
    const instant = new Date(time.dateTime);
    if (Number.isNaN(instant.getTime())) continue;
    const text = full.format(instant);
    time.title = `${text} (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
    if (time.classList.contains("abs")) time.textContent = text;
  }
  const counts = $("[data-down]");
  if (counts) document.title = Number(counts.dataset.down) ? `(${counts.dataset.down}) ${title}` : title;
}
localise(document);
// What is shown may be old: the stream is down, or the server could not answer.
const offline = $("#offline");
const trouble = new Set();
function tell(source, isTroubled) {
  if (isTroubled) trouble.add(source); else trouble.delete(source);
  offline.textContent = trouble.size ? document.body.dataset.offline : "";
  offline.hidden = !trouble.size;
}
document.addEventListener("htmx:after:swap", () => {
  tell("answers", false);
  localise(document);
});
document.addEventListener("htmx:response:error", (event) => {
  const { status } = event.detail.ctx.response;
  // A session that ended: the login form stands at the same address. A monitor that was deleted: the page says so.
  if (status === 401 || status === 404) location.reload();
  else tell("answers", status >= 500);
});

// Live: the server says that something changed, and the parts that show states fetch themselves anew.
const parts = $$("[hx-trigger*=refresh]");
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

// A failed form that was not focused by the browser (inside closed details, say).
$("[aria-invalid=true]")?.focus();

// Keys, never while somebody types.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable], dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    if ($("#q")) $("#q").focus(); else if (document.body.dataset.live) location.assign("/#q");
  } else if (event.key === "n" && document.body.dataset.live) {
    location.assign("/monitors/new");
  } else if (event.key === "?") {
    $("#help")?.showModal();
  }
});
if (location.hash === "#q") $("#q")?.focus();
