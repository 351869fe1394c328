"use strict";
// What the page needs beside tables and plots: light and dark, print, copying, records in a panel.

const byId = (id) => document.getElementById(id);
const say = (text) => { byId("live").textContent = text; };

for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;

// Where a browser gives pages on disk no storage, the choice lasts as long as the page.
const store = {
  get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
  set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* as said above */ } },
};

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = () => (prefersDark.matches ? "dark" : "light");
setTheme(store.get() ?? systemTheme());
prefersDark.addEventListener("change", () => { if (!store.get()) setTheme(systemTheme()); });
byId("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  store.set(document.documentElement.dataset.theme);
});

byId("print").addEventListener("click", () => print());

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent.trim());
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard for pages on disk: select it instead
    }
  });
}

// A record opens in a panel; without script its link leads to the same text further down the page.
const panel = byId("record");

function openRecord(run) {
  const source = byId(`run-${run}`);
  if (!source) { // of many runs the page has the links only
    location.href = {% if is_packed %}"runs.jsonl.xz"{% else %}`runs/${encodeURIComponent(run)}.json`{% endif %};
    return;
  }
  byId("record-title").textContent = run;
  byId("record-body").replaceChildren(...[...source.children].map((child) => child.cloneNode(true)));
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  history.replaceState(null, "", `#run-${encodeURIComponent(run)}`);
}

function runOf(hash) {
  return hash.startsWith("#run-") ? decodeURIComponent(hash.slice("#run-".length)) : null;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#run-']");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  openRecord(runOf(link.hash));
});
panel.addEventListener("click", (event) => {
  if (event.target === panel || event.target.closest("[data-close]")) panel.close();
});
panel.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
addEventListener("load", () => { const run = runOf(location.hash); if (run) openRecord(run); });
