// The search page without reloading: answers stage by stage, addresses, the way back, the opened picture.
// All of it works without this file, too, by plain links and forms.
import { keepFocus, keepOpen, remember } from "./focus.js";
import { showSelected, startGrid, unselect, watchGrid } from "./grid.js";
import { watchJob } from "./job.js";
import { reuseImages, slide } from "./slide.js";
import { startUploads } from "./uploads.js";

const KEPT = 12; // pages that going back shows as they were left
const PART = { Accept: "text/html", "HX-Request": "true" };
const root = document.documentElement;
const box = document.getElementById("q");
const form = document.getElementById("search");
const told = document.getElementById("told");
const bar = document.getElementById("bar");
const kept = new Map(); // search -> what was shown
let running = null;
let mend = null; // what the button of the bar does

const page = () => document.getElementById("page");
const aside = () => document.getElementById("picture");
const entry = () => history.state ?? {};
const element = (html) => {
  const held = document.createElement("template");
  held.innerHTML = html.trim();
  return held.content.firstElementChild;
};

/** Go to a search: `parameters` are those of its address, or of the form that was sent. */
export async function search(parameters, { push = true, keepScroll = false } = {}) {
  running?.abort();
  const control = (running = new AbortController());
  const typed = box.value;
  const focus = remember();
  root.classList.add("busy");
  try {
    const answer = await fetch(`/parts/page?${parameters}`, { headers: PART, signal: control.signal });
    if (!answer.ok) {
      if (answer.status === 401 || answer.status === 503) return location.assign(`/?${parameters}`);
      showProblem(await answer.text());
      return;
    }
    calm();
    let first = true;
    for await (const one of lines(answer.body)) {
      if (first) {
        if (push) enter(one.url);
        showPage(element(one.page), { typed, focus, keepScroll });
        first = false;
      } else if (one.page) {
        showPage(element(one.page), { typed, focus, keepScroll: true });
      } else {
        showFound(element(one.found));
      }
      if (!one.waits) say(one.told);
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(null, () => search(parameters, { push, keepScroll }));
  } finally {
    if (running === control) {
      running = null;
      root.classList.remove("busy");
    }
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (left + value).split("\n");
    left = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

/** A new entry of the history; what is shown now is kept for the way back. */
function enter(url) {
  keep();
  history.pushState({ search: crypto.getRandomValues(new Uint32Array(2)).join("-"), undo: 1 }, "", url);
}

function keep() {
  const search = entry().search;
  if (!search) return;
  kept.delete(search);
  kept.set(search, { page: page(), scroll: scrollY });
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
}

function showPage(next, { typed, focus, keepScroll }) {
  const before = page();
  reuseImages(before, next);
  before.replaceWith(next);
  if (document.activeElement !== box || box.value === typed) box.value = next.dataset.q;
  arrive();
  if (!keepScroll) scrollTo({ top: 0, behavior: "instant" });
  if (focus) keepFocus(focus);
}

function showFound(next) {
  const before = document.getElementById("found");
  const focus = remember();
  keepOpen(before, next);
  slide(before, next);
  showSelected();
  page().removeAttribute("aria-busy");
  watchGrid(more);
  markOpen();
  if (focus) keepFocus(focus);
}

function showProblem(html) {
  const problem = element(html);
  for (const one of page().querySelectorAll(":scope > .columns, :scope > .hello, :scope > .problem")) one.remove();
  page().append(problem);
  showSelected();
  say(problem.querySelector("h1")?.textContent ?? "");
}

/** What belongs to the page that is shown now. */
function arrive() {
  const was = form.querySelector("[data-was]");
  was.setAttribute("value", page().dataset.q);
  document.title = `${page().dataset.q ? `${page().dataset.q.slice(0, 60)} · ` : ""}crossgraph`;
  page().dataset.search = entry().search;
  showUndo();
  showSelected();
  watchGrid(more);
  watchJob(() => search(location.search.slice(1), { push: false, keepScroll: true }));
  markOpen();
}

function showUndo() {
  const undo = document.getElementById("undo");
  if (undo) undo.hidden = !(entry().undo > 0);
}

function say(text) {
  told.textContent = "";
  requestAnimationFrame(() => { told.textContent = text ?? ""; });
}

/** Say above the answers, which stay, what did not work; the button does `act`. */
function complain(text, label = "Close", act = () => box.focus()) {
  document.getElementById("bar-text").textContent = text;
  document.getElementById("retry").textContent = label;
  mend = act;
  bar.hidden = false;
}

function calm() {
  bar.hidden = true;
}

/** Say why a request brought nothing: `answer` is what the server said, null where it said nothing; `act` asks again. */
function failed(answer, act) {
  const kept = "What is shown was found before.";
  if (!answer) return complain(`The server does not answer. ${kept}`, "Try again", act);
  if (answer.status === 401) return complain(`The token is asked for again. ${kept}`, "Sign in", () => location.reload());
  complain(`The server could not do that (status ${answer.status}). ${kept}`, "Try again", act);
}

/** The elements of a part of the page; null where it did not come, which the bar says. */
async function part(address, act) {
  const answer = await fetch(address, { headers: PART }).catch(() => null);
  const held = document.createElement("template");
  try {
    if (!answer?.ok) throw Error();
    held.innerHTML = await answer.text();
  } catch {
    failed(answer?.ok ? null : answer, act);
    return null;
  }
  calm();
  return held.content;
}

/** Change the query by a step; `parameters` begin as those of the address. */
export function change(step) {
  const parameters = new URLSearchParams(location.search);
  for (const name of ["offset", "open", "at", "all"]) parameters.delete(name);
  step(parameters);
  return search(parameters);
}

async function more(link) {
  const found = await part(link.dataset.part, () => more(link));
  const grid = document.getElementById("grid");
  if (!found || !grid?.contains(link)) return; // the link stays
  const there = new Set([...grid.querySelectorAll(".tile")].map((one) => one.dataset.id));
  for (const one of found.querySelectorAll(".tile")) if (there.has(one.dataset.id)) one.remove();
  const focused = document.activeElement === link;
  const first = found.querySelector(".pic");
  for (const one of grid.querySelectorAll(".next, .filler")) one.remove();
  grid.append(found);
  if (focused) first?.focus();
  showSelected();
  watchGrid(more);
  say(`${grid.querySelectorAll(".tile").length} pictures.`);
}

async function unfold(tile) {
  const link = tile.querySelector(".alike");
  const found = await part(tile.dataset.alike, () => unfold(tile));
  if (!found || !link?.isConnected) return;
  const shown = [...found.querySelectorAll(".tile")];
  for (const one of shown) one.classList.add("unfolded");
  tile.classList.add("unfolded");
  tile.after(found);
  link.remove();
  showSelected();
  (shown[0] ?? tile).querySelector(".pic").focus();
  say(`${shown.length} alike shown.`);
}

// The opened picture

/** Show the picture that the address names, or none. */
async function showPicture(id, { focus = false } = {}) {
  const place = aside();
  if (!place) return;
  const before = place.querySelector("[data-picture]")?.dataset.picture;
  place.hidden = !id;
  page().classList.toggle("has-picture", Boolean(id));
  markOpen();
  if (!id) {
    place.replaceChildren();
    place.dispatchEvent(new CustomEvent("crossgraph:picture", { bubbles: true, detail: { id: "" } }));
    return;
  }
  if (id !== before) {
    place.setAttribute("aria-busy", "true");
    const query = new URLSearchParams(location.search);
    query.delete("open");
    try {
      const answer = await fetch(`/picture/${encodeURIComponent(id)}?${query}`, { headers: PART });
      if (answer.status === 401) return location.reload();
      const html = await answer.text();
      if (new URLSearchParams(location.search).get("open") !== id) return;
      place.innerHTML = html;
      if (answer.status === 404) removed(tileOf(id));
      place.dispatchEvent(new CustomEvent("crossgraph:picture", { bubbles: true, detail: { id } }));
      calm();
    } catch {
      failed(null, () => showPicture(id, { focus }));
      return;
    } finally {
      place.removeAttribute("aria-busy");
    }
  }
  place.scrollTop = 0;
  tileOf(id)?.scrollIntoView({ block: "nearest" }); // the grid is narrower now
  if (focus) (place.querySelector("[tabindex='-1']") ?? place).focus({ preventScroll: true });
}

function openPicture(url) {
  const asked = new URL(url, location).searchParams;
  const id = asked.get("open");
  const address = new URLSearchParams(location.search); // what is shown stays what it is
  for (const name of ["open", "at"]) {
    address.delete(name);
    if (asked.has(name)) address.set(name, asked.get(name));
  }
  const undo = entry().undo ? entry().undo + 1 : 0;
  history.pushState({ search: entry().search, undo }, "", `/?${address}`);
  showPicture(id, { focus: true });
}

export function closePicture() {
  const address = new URLSearchParams(location.search);
  const id = address.get("open");
  if (!id) return false;
  address.delete("open");
  address.delete("at");
  const undo = entry().undo ? entry().undo + 1 : 0;
  const query = address.toString();
  history.pushState({ search: entry().search, undo }, "", query ? `/?${query}` : "/");
  showPicture("");
  (tileOf(id)?.querySelector(".pic") ?? box).focus({ preventScroll: false });
  return true;
}

const tileOf = (id) => document.querySelector(`.tile[data-id="${CSS.escape(id)}"]`);

function markOpen() {
  const id = new URLSearchParams(location.search).get("open");
  for (const one of document.querySelectorAll(".pic[aria-current]")) one.removeAttribute("aria-current");
  if (id) tileOf(id)?.querySelector(".pic").setAttribute("aria-current", "true");
}

export function undo() {
  const steps = entry().undo ?? 0;
  if (steps > 0) history.go(-steps);
}

// What people do

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (event.target.closest?.("#undo")) return undo();
  if (event.target.closest?.("#retry")) {
    calm();
    return mend?.();
  }
  for (const one of document.querySelectorAll("details:is(.weights, .menu, .timings)[open]")) {
    if (!one.contains(event.target)) one.open = false;
  }
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.getAttribute("href").startsWith("#")) return;
  const url = new URL(link.href, location);
  if (url.origin !== location.origin || url.pathname !== "/") return;
  event.preventDefault();
  if (link.matches("[data-open]")) return openPicture(url);
  if (link.matches("[data-close]")) return closePicture();
  if (link.matches("[data-alike-of]")) return unfold(link.closest(".tile"));
  if (link.matches("[data-part]")) return more(link);
  search(url.searchParams, { keepScroll: ["like", "dislike"].includes(link.dataset.do) });
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  search(new URLSearchParams(new FormData(form, event.submitter)));
});

addEventListener("popstate", () => {
  const { search: wanted } = entry();
  const before = page().dataset.search;
  const open = new URLSearchParams(location.search).get("open") ?? "";
  if (wanted && wanted === before) return showPicture(open);
  if (!wanted) return; // a fragment of the address
  running?.abort();
  if (before) {
    kept.delete(before);
    kept.set(before, { page: page(), scroll: lastScroll });
  }
  const held = kept.get(wanted);
  if (!held) return search(location.search.slice(1), { push: false });
  const focus = remember();
  page().replaceWith(held.page);
  box.value = held.page.dataset.q;
  arrive();
  scrollTo({ top: held.scroll, behavior: "instant" });
  if (focus) keepFocus(focus);
  showPicture(open);
  say(held.page.dataset.told);
});

// A picture whose file is gone, or which was removed, is said to be, by its name.
function gone(tile, text) {
  const image = tile.querySelector(".pic img");
  tile.classList.add("gone");
  const note = tile.querySelector(".missing") ?? document.createElement("span");
  note.className = "missing";
  note.textContent = `${image.dataset.name}: ${text}`;
  image.closest(".pic").append(note);
}

function removed(tile) {
  if (!tile) return;
  gone(tile, "it is not in the gallery any more.");
  tile.classList.add("removed");
  tile.querySelector(".acts")?.remove();
  unselect(tile.dataset.id);
}

async function missing(image) {
  const tile = image.closest?.(".tile");
  if (!tile || tile.classList.contains("gone")) return;
  tile.classList.add("gone");
  const answer = await fetch(image.src, { method: "HEAD" }).catch(() => null); // an image does not say why
  const now = image.closest(".tile"); // further answers may have come
  if (answer?.status === 401) failed(answer);
  if (!now) return;
  if (answer?.status === 404) removed(now);
  else if (answer?.status === 401) gone(now, "it is shown when you have signed in.");
  else gone(now, "the file cannot be shown. Connect its disk, or sync the gallery.");
}
document.addEventListener("error", (event) => { if (event.target.matches?.(".pic img")) missing(event.target); }, true);

let lastScroll = scrollY;
addEventListener("scroll", () => { lastScroll = scrollY; }, { passive: true });
history.scrollRestoration = "manual";
addEventListener("pagehide", () => { history.scrollRestoration = "auto"; });

if (!entry().search) history.replaceState({ search: `first-${Date.now()}`, undo: 0 }, "");
for (const image of document.querySelectorAll(".pic img")) if (image.complete && !image.naturalWidth && image.src) missing(image);
startGrid({ change, closePicture, undo });
startUploads({ change, complain, failed });
arrive();
say(page().dataset.told);
