/* Filter the ledger by text, part, verdict and profile. Works from a file: without a network. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector(".ob-filter");
  if (!form) return;
  const rows = [...document.querySelectorAll(".ob-claim[data-part]")];
  const texts = new Map(rows.map((row) => [row, `${row.id} ${row.textContent}`.toLowerCase()]));
  const verdictOf = (row, profile) => row.dataset[profile] || "not run";

  function matches(row, { text, part, verdict, profile }) {
    if (text && !text.toLowerCase().split(/\s+/).every((word) => texts.get(row).includes(word))) return false;
    if (part && row.dataset.part !== part) return false;
    const profiles = profile ? [profile] : ["smoke", "laptop", "gpu"];
    if (!verdict) return !profile || verdictOf(row, profile) !== "not run";
    if (verdict === "not run") return profiles.every((name) => verdictOf(row, name) === "not run");
    return profiles.some((name) => verdictOf(row, name) === verdict);
  }

  function apply() {
    const wanted = Object.fromEntries(new FormData(form));
    let shown = 0;
    for (const row of rows) {
      row.hidden = !matches(row, wanted);
      shown += row.hidden ? 0 : 1;
    }
    for (const part of document.querySelectorAll("section.ob-part, .ob-part")) {
      part.hidden = !part.querySelector(".ob-claim:not([hidden])");
    }
    form.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
  }

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  if (location.hash) {
    const row = document.getElementById(location.hash.slice(1));
    if (row) row.querySelectorAll("details").forEach((part) => { part.open = true; });
  }
  apply();
});
