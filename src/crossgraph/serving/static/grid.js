// The grid by keyboard, what is selected in it, and its further pages.

const AHEAD = "600px";
let observer = null;
let anchor = null; // where a range of selected pictures begins
const chosen = new Set(); // the ids of the selected pictures, also of those that are not shown now

const tiles = () => [...document.querySelectorAll("#grid .tile")];
const there = () => tiles().filter((one) => !one.classList.contains("removed"));
const pictureOf = (tile) => tile?.querySelector(".pic");
const boxOf = (tile) => tile?.querySelector(".pick input");
const here = () => document.activeElement?.closest?.(".tile") ?? null;

/** Load further pages as they come near. */
export function watchGrid(more) {
  observer?.disconnect();
  const link = document.querySelector("#grid .next a[data-part]");
  if (!link) return;
  observer = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    more(link).catch(() => {}); // the link stays
  }, { rootMargin: AHEAD });
  observer.observe(link);
}

/** The tile beside another one: in its row, or nearest to it in the row above or below. */
function beside(tile, key) {
  const all = tiles();
  const place = all.indexOf(tile);
  if (key === "ArrowLeft") return all[place - 1];
  if (key === "ArrowRight") return all[place + 1];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  const down = key === "ArrowDown";
  const tops = all.map((one) => one.offsetTop).filter((top) => (down ? top > tile.offsetTop : top < tile.offsetTop));
  if (!tops.length) return undefined;
  const row = down ? Math.min(...tops) : Math.max(...tops);
  const middle = tile.offsetLeft + tile.offsetWidth / 2;
  const away = (one) => Math.abs(one.offsetLeft + one.offsetWidth / 2 - middle);
  return all.filter((one) => one.offsetTop === row).reduce((best, one) => (away(one) < away(best) ? one : best));
}

function choose(box, is) {
  box.checked = is;
  if (is) chosen.add(box.value);
  else chosen.delete(box.value);
}

function select(from, to) {
  const all = tiles();
  const [first, last] = [all.indexOf(from), all.indexOf(to)].sort((one, other) => one - other);
  const meant = new Set(all.slice(Math.max(0, first), last + 1));
  for (const tile of there()) if (meant.has(tile)) choose(boxOf(tile), true);
  count();
}

/** Check the boxes of what is selected: pictures come and go with the answers. */
export function showSelected() {
  for (const tile of tiles()) boxOf(tile).checked = chosen.has(tile.dataset.id);
  count();
}

/** Take a picture that is gone out of what is selected. */
export function unselect(id) {
  if (chosen.delete(id)) showSelected();
}

/** The ids of what is exported: what is selected, in the order of the page, or all that is shown. */
function exported() {
  const shown = there().map((one) => one.dataset.id);
  if (!chosen.size) return shown;
  return [...new Set([...shown.filter((one) => chosen.has(one)), ...chosen])];
}

function count() {
  const exporting = document.getElementById("export");
  const said = document.getElementById("selected");
  const most = Number(exporting.dataset.most);
  const number = (count) => count.toLocaleString("en");
  const all = exported().length;
  const away = chosen.size && chosen.size - tiles().filter((one) => chosen.has(one.dataset.id)).length;
  let text = chosen.size ? `${number(all)} selected` : `All ${number(all)} shown`;
  if (!all) text = "Nothing is shown";
  if (away) text += `, ${number(away)} not shown here`;
  if (all > most) text += `: the first ${number(most)} can be exported`;
  if (said.textContent !== text) said.textContent = text;
  exporting.classList.toggle("chosen", chosen.size > 0);
  for (const one of exporting.querySelectorAll("[name=format]")) one.disabled = !all;
}

/** Keys, boxes and the form of the export; `change`, `closePicture` and `undo` are what the page does. */
export function startGrid({ change, closePicture, undo }) {
  const exporting = document.getElementById("export");
  const help = document.getElementById("help");

  function openExport() {
    count();
    exporting.classList.add("open");
    exporting.querySelector("button:enabled").focus();
  }

  const keys = {
    "/": () => { const box = document.getElementById("q"); box.focus(); box.select(); },
    "?": () => help.showModal(),
    e: openExport,
    u: undo,
    m: (tile) => tile?.querySelector("[data-do=more]")?.click(),
    l: (tile) => tile?.querySelector("[data-do=like]")?.click(),
    d: (tile) => tile?.querySelector("[data-do=dislike]")?.click(),
    "+": (tile) => tile?.querySelector("[data-do=add]")?.click(),
    x: (tile) => { if (there().includes(tile)) { choose(boxOf(tile), !boxOf(tile).checked); anchor = tile; count(); } },
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const target = event.target;
    if (event.key === "Escape") return escape(event);
    const typing = target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (typing) {
      if (target.id === "q" && event.key === "ArrowDown" && tiles().length) {
        event.preventDefault();
        pictureOf(tiles()[0]).focus();
      }
      return;
    }
    const arrow = /^(Arrow|Home$|End$)/.test(event.key);
    if (arrow) {
      const free = target === document.body || target.id === "content" || target.closest(".grid");
      if (free) move(event);
      return;
    }
    const tile = here() ?? document.querySelector(".pic[aria-current]")?.closest(".tile");
    if (event.key in keys && !(event.shiftKey && /[a-z]/.test(event.key))) {
      event.preventDefault();
      keys[event.key](tile);
    }
  });

  function move(event) {
    const now = here();
    const seen = (tile) => tile.getBoundingClientRect().bottom > 100;
    if (!now && /^(Home|End|ArrowUp)$/.test(event.key)) return;
    const next = now ? beside(now, event.key) : tiles().find(seen);
    if (!next) {
      if (now && /^Arrow(Right|Down)$/.test(event.key)) document.querySelector(".next a")?.focus();
      if (now && event.key === "ArrowUp") { event.preventDefault(); document.getElementById("q").focus(); }
      return;
    }
    event.preventDefault();
    pictureOf(next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    if (event.shiftKey && now) {
      if (!anchor || !boxOf(anchor)?.checked) anchor = now;
      select(anchor, next);
    } else if (!event.shiftKey) {
      anchor = null;
    }
  }

  function escape(event) {
    if (exporting.classList.contains("open")) {
      const inside = exporting.contains(document.activeElement);
      exporting.classList.remove("open");
      if (inside) (pictureOf(anchor) ?? document.getElementById("exports") ?? document.getElementById("q")).focus();
    } else if (location.hash === "#facets") {
      location.hash = "#found";
    } else if (document.querySelector("details:is(.weights, .menu, .timings)[open]")) {
      const open = document.querySelector("details:is(.weights, .menu, .timings)[open]");
      open.open = false;
      open.querySelector("summary").focus();
    } else if (!closePicture()) {
      return;
    }
    event.preventDefault();
  }

  let last = null;
  document.addEventListener("click", (event) => {
    if (event.target.closest("#exports")) return openExport();
    if (event.target.closest("#keys")) return help.showModal();
    const box = event.target.closest(".pick input");
    if (!box) return;
    const tile = box.closest(".tile");
    if (event.shiftKey && last?.isConnected && box.checked) select(last, tile);
    last = anchor = tile;
  });
  document.addEventListener("change", (event) => {
    const box = event.target.closest(".pick input");
    if (!box) return;
    choose(box, box.checked);
    count();
  });
  for (const box of document.querySelectorAll(".pick :checked")) choose(box, true); // a browser may keep them over a reload

  exporting.addEventListener("formdata", ({ formData }) => {
    formData.delete("ids");
    for (const id of exported().slice(0, Number(exporting.dataset.most))) formData.append("ids", id);
  });
  exporting.addEventListener("reset", () => {
    exporting.classList.remove("open");
    chosen.clear();
    setTimeout(() => {
      count();
      if (!document.activeElement || document.activeElement === document.body || exporting.contains(document.activeElement)) {
        (pictureOf(anchor ?? tiles()[0]) ?? document.getElementById("q")).focus();
      }
    });
  });
}
