// What scripts add to the list of monitors. Loaded after app.js, whose names it uses.
"use strict";

// The list follows the search field, and so does the address.
const filters = $("#filters");
if (filters) {
  let typing = 0;
  $("#q").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      $("[name=page]", filters)?.remove();
      const wanted = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
      history.replaceState(null, "", wanted.size ? `/?${wanted}` : "/");
      refresh();
    }, 150);
  });
}
