// What scripts add to the form of a monitor: proposals, and seconds in words. Loaded after app.js.
"use strict";

// The form proposes a slug from the name, the browser's time zone, and a grace: until somebody writes his own.
const form = $("#monitor-form");
if (form) {
  const at = (name) => $(`#f-${name}`);
  const [name, slug, interval, grace, schedule, zone] = ["name", "slug", "interval_seconds", "grace_seconds", "schedule", "timezone"].map(at);
  const isNew = "new" in form.dataset, isReturned = "returned" in form.dataset || $("#problems") !== null;
  const touched = new Set();
  for (const input of [slug, grace, zone]) input.addEventListener("input", () => touched.add(input));

  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 100).replace(/-+$/, "");
  if (isNew && slug.value && slug.value !== plain(name.value)) touched.add(slug);
  const proposeSlug = () => {
    if (isNew && !touched.has(slug)) slug.value = plain(name.value);
  };
  name.addEventListener("input", proposeSlug);
  if (!slug.value) proposeSlug();  // somebody was quicker than this script

  // Lengths of time, for proposals only: core/durations.py decides what is taken, and has the words.
  const units = JSON.parse($("[data-units]", form).dataset.units);
  const smaller = { 604800: 86400, 86400: 3600, 3600: 60, 60: 1 };
  const secondsIn = (text) => {
    if (/^\s*\d+\s*$/.test(text)) return Number(text);
    let total = 0, size = 0;
    for (const [, number, word] of text.toLowerCase().matchAll(/(\d+(?:[.,]\d+)?)\s*([a-z]*)/g)) {
      size = word ? units[word] : smaller[size];
      total += Number(number.replace(",", ".")) * size;
    }
    return Math.round(total) || NaN;
  };
  const inWords = (seconds) => {
    const parts = [];
    for (const [size, sign] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
      if (seconds >= size) parts.push(`${Math.floor(seconds / size)} ${sign}`);
      seconds %= size;
    }
    return parts.join(" ");
  };
  const read = () => {
    for (const reading of $$("[data-reading]", form)) {
      const text = document.getElementById(reading.dataset.reading).value.trim();
      const isSeconds = reading.dataset.reading.endsWith("_seconds");
      reading.textContent = isSeconds && /^\d{2,10}$/.test(text) && Number(text) >= 60 ? inWords(Number(text)) : "";
    }
  };
  form.addEventListener("input", read);

  const graceFor = (seconds) => inWords(Math.min(3600, Math.max(60, Math.round(seconds / 5))));
  const isEvery = () => $("#f-expected-every").checked;
  const proposal = () => {
    if (!isEvery()) return $("[data-grace]", form)?.dataset.grace;
    const seconds = secondsIn(interval.value);
    return seconds > 0 ? graceFor(seconds) : undefined;
  };
  // A form that came back holds what somebody wrote, and so does a grace that is not the one proposed.
  if (isReturned || grace.value !== proposal()) touched.add(grace);
  const presets = $$("[data-seconds]", form);
  const propose = () => {
    const seconds = secondsIn(interval.value);
    presets.forEach((each) => each.setAttribute("aria-pressed", String(Number(each.dataset.seconds) === seconds)));
    const proposed = proposal();
    if (isNew && !touched.has(grace) && proposed) grace.value = proposed;
    read();
  };
  interval.addEventListener("input", propose);
  for (const preset of presets) {
    preset.addEventListener("click", () => { interval.value = inWords(Number(preset.dataset.seconds)); propose(); });
  }
  for (const each of $$("[name=expected]", form)) each.addEventListener("change", propose);
  document.addEventListener("htmx:after:swap", propose);
  propose();

  // The job's clock is mostly that of whoever sits here; times are told by both where they differ.
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isKnown = document.body.dataset.zone === here;  // the server had it from a cookie, and looked it up
  at("reader_timezone").value = here;
  if (isKnown && !isReturned && (isNew || !zone.value) && !touched.has(zone)) zone.value = here;
  if (schedule.value) addEventListener("load", () => schedule.dispatchEvent(new Event("preview", { bubbles: true })));
}
