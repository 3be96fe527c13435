// The grid by keyboard, what is selected in it, and its further pages.

const AHEAD = "600px";
let observer = null;
let anchor = null; // where a range of selected pictures begins

const tiles = () => [...document.querySelectorAll("#grid .tile")];
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

function select(from, to) {
  const all = tiles();
  const [first, last] = [all.indexOf(from), all.indexOf(to)].sort((one, other) => one - other);
  for (const tile of all.slice(Math.max(0, first), last + 1)) boxOf(tile).checked = true;
  count();
}

function count() {
  const number = document.querySelectorAll(".pick :checked").length;
  const shown = tiles().length;
  document.getElementById("selected").textContent = number ? `${number} selected` : `All ${shown} shown`;
}

/** Keys, boxes and the form of the export; `change`, `closePicture` and `undo` are what the page does. */
export function startGrid({ change, closePicture, undo }) {
  const exporting = document.getElementById("export");
  const help = document.getElementById("help");

  function openExport() {
    count();
    exporting.classList.add("open");
    exporting.querySelector("button").focus();
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
    x: (tile) => { if (tile) { boxOf(tile).checked = !boxOf(tile).checked; anchor = tile; count(); } },
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
  document.addEventListener("change", (event) => { if (event.target.closest(".pick")) count(); });

  exporting.addEventListener("submit", () => {
    for (const one of exporting.querySelectorAll("input[type=hidden]")) one.remove();
    if (document.querySelector(".pick :checked")) return;
    const all = document.createElement("input");
    Object.assign(all, { type: "hidden", name: "ids", value: tiles().map((one) => one.dataset.id).join(",") });
    exporting.append(all);
  });
  exporting.addEventListener("reset", () => {
    exporting.classList.remove("open");
    setTimeout(() => {
      count();
      if (!document.activeElement || document.activeElement === document.body || exporting.contains(document.activeElement)) {
        (pictureOf(anchor ?? tiles()[0]) ?? document.getElementById("q")).focus();
      }
    });
  });
}
