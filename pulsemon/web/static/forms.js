// What scripts add to the form of a monitor: proposals, and seconds in words. Loaded after app.js.
"use strict";

// The form proposes: a slug from the name, a grace of a fifth of the interval (a minute to an hour).
const form = $("#monitor-form");
if (form) {
  const { name, slug, interval_seconds: interval, grace_seconds: grace } = {
    name: $("#f-name"), slug: $("#f-slug"), interval_seconds: $("#f-interval_seconds"), grace_seconds: $("#f-grace_seconds"),
  };
  const touched = new Set();
  for (const input of [slug, grace]) input.addEventListener("input", () => touched.add(input));
  const isNew = "new" in form.dataset;
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 100).replace(/-+$/, "");
  if (isNew && slug.value && slug.value !== plain(name.value)) touched.add(slug);
  const proposeSlug = () => {
    if (isNew && !touched.has(slug)) slug.value = plain(name.value);
  };
  name.addEventListener("input", proposeSlug);
  if (!slug.value) proposeSlug();  // somebody was quicker than this script
  const presets = $$("[data-seconds]", form);
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const inWords = (seconds) => {
    const parts = [];
    let left = seconds;
    for (const [unit, size] of units) {
      const count = Math.floor(left / size);
      left -= count * size;
      if (count) parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count));
    }
    return parts.slice(0, 2).join(" ");
  };
  const read = () => {
    for (const reading of $$("[data-reading]", form)) {
      const seconds = Number(document.getElementById(reading.dataset.reading).value);
      reading.textContent = Number.isInteger(seconds) && seconds >= 60 ? inWords(seconds) : "";
    }
  };
  form.addEventListener("input", read);
  const mark = () => presets.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.seconds === interval.value.trim())));
  const propose = () => {
    mark();
    const seconds = Number(interval.value);
    if (isNew && !touched.has(grace) && seconds > 0) grace.value = Math.min(3600, Math.max(60, Math.round(seconds / 5)));
    read();
  };
  interval.addEventListener("input", propose);
  for (const preset of presets) {
    preset.addEventListener("click", () => { interval.value = preset.dataset.seconds; propose(); });
  }
  mark();
  read();
}
