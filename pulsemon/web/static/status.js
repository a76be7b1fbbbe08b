// Keeps the public page up to date where scripts run; without them a reload does the same.
"use strict";

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("board");
    const board = document.getElementById("board");
    // The sentence is a live region: it is replaced only when it says something else.
    if (fresh && board && fresh.innerHTML !== board.innerHTML) {
      const [before, after] = [board.firstElementChild, fresh.firstElementChild];
      if (before.outerHTML !== after.outerHTML) before.replaceWith(after);
      else after.remove();
      while (board.children.length > 1) board.lastElementChild.remove();
      board.append(...fresh.children);
    }
  } catch {
    // The server is away for a moment: what is shown bears its time.
  }
}
setInterval(refresh, 10_000);
document.addEventListener("visibilitychange", refresh);
