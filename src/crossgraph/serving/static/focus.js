// Where the focus was and which menus were open, in words that hold for the results that come after.

const inGrid = [".pic", "[data-do=like]", "[data-do=dislike]", "[data-do=more]", "[data-do=add]", ".pick input", ".alike"];

/** What has the focus, if it may go away with the results; null where nothing needs to be kept. */
export function remember() {
  const now = document.activeElement;
  if (!now || !now.closest("#page")) return null;
  const tile = now.closest(".tile");
  if (tile) {
    const place = [...document.querySelectorAll(".tile")].indexOf(tile);
    return { id: tile.dataset.id, part: inGrid.find((one) => now.matches(one)), place };
  }
  const part = ["#facets", ".asked", ".tools", "#picture", "#found"].find((one) => now.closest(one));
  return { part, text: now.textContent, label: now.getAttribute("aria-label"), element: now.id };
}

/** Give the focus to what is in the place of what had it. */
export function keepFocus(was) {
  if (document.activeElement && document.activeElement !== document.body) return;
  const found = was.id ? inTiles(was) : elsewhere(was);
  (found ?? document.querySelector("#grid .pic") ?? document.getElementById("content")).focus({ preventScroll: true });
}

const menus = (within) => [...within.querySelectorAll("details:is(.menu, .timings)")];

/** Open in `next` the menus that are open in `before`: answers that come late close nothing under the pointer. */
export function keepOpen(before, next) {
  const open = new Set(menus(before).filter((one) => one.open).map((one) => one.className));
  for (const one of menus(next)) one.open = open.has(one.className);
}

function inTiles({ id, part, place }) {
  const tiles = [...document.querySelectorAll(".tile")];
  const same = tiles.find((one) => one.dataset.id === id);
  const tile = same ?? tiles[part === ".pic" ? 0 : Math.min(place, tiles.length - 1)];
  return (part && tile?.querySelector(part)) || tile?.querySelector(".pic");
}

function elsewhere({ part, text, label, element }) {
  const named = element && document.getElementById(element);
  if (named && !named.hidden) return named;
  const place = part && document.querySelector(part);
  if (!place || place.hidden) return null;
  const all = [...place.querySelectorAll("a[href], button, summary, input")].filter((one) => one.getClientRects().length);
  const name = (one) => one.getAttribute("aria-label");
  return all.find((one) => (label ? name(one) === label : one.textContent === text)) ?? all[0] ?? null;
}
