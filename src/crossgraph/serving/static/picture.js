// The opened picture: words light their regions, regions their words, by pointer, finger and keyboard.
// All listeners are on the document, so that parts which come later need nothing done to them.

const within = (element, selector) => (element instanceof Element ? element.closest(selector) : null);
const panelOf = (element) => within(element, "[data-picture]");
const CHOICES = "[data-word][data-weights], [data-match][data-regions]:not(.mark)";
const numbers = (text) => (text ? text.split(" ").map(Number) : []);
const pinned = new WeakMap(); // panel -> what stays lit, { kind, index }, until something else is chosen

function choices(panel) {
  return [...panel.querySelectorAll(CHOICES)];
}

function target(choice) {
  return choice.dataset.word === undefined
    ? { kind: "match", index: Number(choice.dataset.match) }
    : { kind: "word", index: Number(choice.dataset.word) };
}

const same = (one, other) => Boolean(one && other && one.kind === other.kind && one.index === other.index);

function show(panel, what) {
  const overlay = panel.querySelector("svg.overlay");
  if (!overlay) return;
  const lights = [...overlay.querySelectorAll(".light")];
  const frames = [...overlay.querySelectorAll(".frame")];
  let weights = new Map();
  let said = "";
  const litChoices = new Map(); // choice -> how strongly
  if (what?.kind === "region") {
    weights.set(what.index, 1);
    const words = choices(panel).filter((one) => one.dataset.weights);
    const looks = words.map((one) => numbers(one.dataset.weights)[what.index] ?? 0);
    const most = Math.max(...looks, 0);
    words.forEach((one, place) => most > 0 && looks[place] > 0.35 * most && litChoices.set(one, looks[place] / most));
    for (const one of choices(panel)) {
      if (one.dataset.regions && numbers(one.dataset.regions).includes(what.index)) litChoices.set(one, 1);
    }
    const hit = overlay.querySelector(`.hit[data-region="${what.index}"]`);
    const named = words
      .map((one, place) => [looks[place], one.textContent.trim()])
      .filter(([look]) => most > 0 && look > 0.35 * most)
      .sort((one, other) => other[0] - one[0])
      .map(([look, word]) => `${word} ${look.toFixed(2)}`);
    said = `${hit?.dataset.said ?? "region"}: ${named.join(", ") || "no word looks here"}`;
  } else if (what) {
    for (const one of choices(panel)) {
      if (!same(target(one), what)) continue;
      litChoices.set(one, 1);
      if (what.kind === "word") {
        const looks = numbers(one.dataset.weights);
        const most = Math.max(...looks, 0);
        looks.forEach((look, place) => weights.set(place, most > 0 ? look / most : 0));
      }
      said = `${one.textContent.trim()}: ${one.dataset.value}, ${one.dataset.place}`;
    }
  }
  const dark = what && what.kind !== "match" && [...weights.values()].some((one) => one > 0);
  if (what && (dark || what.kind === "match")) overlay.dataset.lit = what.kind;
  else delete overlay.dataset.lit;
  for (const one of lights) one.setAttribute("fill-opacity", String(weights.get(Number(one.dataset.region)) ?? 0));
  for (const one of frames) one.classList.toggle("lit", (weights.get(Number(one.dataset.region)) ?? 0) > 0.9999);
  for (const one of overlay.querySelectorAll(".mark")) {
    const index = Number(one.dataset.match);
    const byRegion = what?.kind === "region" && [...litChoices.keys()].some((choice) => choice.dataset.match === String(index));
    one.classList.toggle("lit", byRegion || same(what, { kind: "match", index }));
  }
  for (const one of choices(panel)) {
    one.classList.toggle("lit", litChoices.has(one));
    one.style.setProperty("--share", String(litChoices.get(one) ?? 0));
  }
  for (const row of panel.querySelectorAll("[data-row]")) {
    const lit = [...litChoices.keys()].some((one) => {
      const { kind, index } = target(one);
      return row.dataset.row === `${kind}-${index}`;
    });
    row.classList.toggle("lit", lit);
  }
  const status = panel.querySelector(".picture-said");
  if (status && status.textContent !== said) status.textContent = said;
}

function pin(panel, what) {
  const next = same(pinned.get(panel), what) ? null : what;
  if (next) pinned.set(panel, next);
  else pinned.delete(panel);
  for (const one of choices(panel)) one.setAttribute("aria-pressed", String(same(target(one), next)));
  show(panel, next);
}

const rest = (panel) => show(panel, pinned.get(panel) ?? null);

// Links of the page without scripts become buttons.
function upgrade(root) {
  for (const link of root.querySelectorAll("a.word")) {
    const lit = link.getAttribute("aria-current") === "true";
    link.removeAttribute("aria-current");
    link.setAttribute("role", "button");
    link.setAttribute("aria-pressed", String(lit));
    if (lit) pinned.set(panelOf(link), target(link));
  }
}

function hovered(element) {
  const panel = panelOf(element);
  if (!panel) return null;
  const choice = within(element, CHOICES);
  if (choice) return [panel, target(choice)];
  const row = within(element, "[data-row]");
  if (row) {
    const [kind, index] = row.dataset.row.split("-");
    return [panel, { kind, index: Number(index) }];
  }
  const hit = within(element, ".hit");
  return hit ? [panel, { kind: "region", index: Number(hit.dataset.region) }] : null;
}

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch") return;
  const found = hovered(event.target);
  if (found) show(...found);
});
document.addEventListener("pointerout", (event) => {
  const found = hovered(event.target);
  if (found && event.pointerType !== "touch" && !hovered(event.relatedTarget)) rest(found[0]);
});
document.addEventListener("focusin", (event) => {
  const choice = within(event.target, CHOICES);
  if (choice) show(panelOf(choice), target(choice));
});
document.addEventListener("focusout", (event) => {
  const choice = within(event.target, `${CHOICES}, .stage`);
  if (choice) rest(panelOf(choice));
});
document.addEventListener("click", (event) => {
  const choice = within(event.target, CHOICES);
  const panel = panelOf(event.target);
  if (choice) {
    event.preventDefault();
    pin(panel, target(choice));
    return;
  }
  const hit = within(event.target, ".hit");
  if (hit) {
    pin(panel, { kind: "region", index: Number(hit.dataset.region) });
    return;
  }
  const copy = within(event.target, "[data-copy]");
  if (copy) copied(copy);
});

async function copied(button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Could not copy";
  }
  setTimeout(() => (button.textContent = before), 1500);
}

// Regions by keyboard: the picture takes the focus, and arrows go to the nearest region that way.
function centre(hit) {
  const box = hit.getBBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

function nextRegion(hits, from, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const [x, y] = centre(from);
  let best = null;
  let least = Infinity;
  for (const hit of hits) {
    const [hx, hy] = centre(hit);
    const along = (hx - x) * dx + (hy - y) * dy;
    const across = Math.abs((hx - x) * dy) + Math.abs((hy - y) * dx);
    if (hit === from || along <= 1) continue;
    if (along + 3 * across < least) [best, least] = [hit, along + 3 * across];
  }
  return best ?? from;
}

const stood = new WeakMap(); // panel -> the region that the keyboard is at

function walk(panel, key) {
  const hits = [...panel.querySelectorAll(".hit")];
  if (!hits.length) return false;
  const before = hits.find((hit) => hit.dataset.region === stood.get(panel));
  const top = panel.querySelector(".frame.lit")?.dataset.region ?? hits[Math.floor(hits.length / 2)].dataset.region;
  const now = before ? nextRegion(hits, before, key) : hits.find((hit) => hit.dataset.region === top);
  stood.set(panel, now.dataset.region);
  show(panel, { kind: "region", index: Number(now.dataset.region) });
  return true;
}

document.addEventListener(
  "keydown",
  (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = within(event.target, "input, textarea, select");
    const alone = event.target.matches("body, main") && document.querySelector("[data-picture]:not([data-part])");
    const beside = event.target.id === "picture" && event.target.querySelector("[data-picture]");
    const panel = panelOf(event.target) || beside || alone;
    if (!panel || typing) return;
    const taken = () => {
      event.preventDefault();
      event.stopPropagation();
    };
    if (within(event.target, ".stage")) {
      if (event.key.startsWith("Arrow") && walk(panel, event.key)) return taken();
      if ((event.key === "Enter" || event.key === " ") && stood.has(panel)) {
        pin(panel, { kind: "region", index: Number(stood.get(panel)) });
        return taken();
      }
    }
    if (event.key === " " && within(event.target, "a.word")) {
      event.target.click();
      return taken();
    }
    if (event.key === "Escape" && pinned.has(panel)) {
      pin(panel, pinned.get(panel));
      return taken();
    }
    const what = {
      Escape: "close",
      ArrowLeft: "before",
      ArrowRight: "after",
      m: "similar",
      l: "like",
      d: "dislike",
    }[event.key];
    const link = what && panel.querySelector(`[data-do=${what}]`);
    if (link) {
      link.click();
      taken();
    }
  },
  true,
);

// Parts that come after the picture. They are asked for as parts, so the server gives no whole page.
async function part(address, signal) {
  const answer = await fetch(address, { headers: { "HX-Request": "true", Accept: "text/html" }, signal });
  const text = await answer.text();
  if (answer.status === 401) location.reload(); // which asks for the token, and comes back
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const held = document.createElement("template");
  held.innerHTML = text;
  return held.content;
}

async function load(place) {
  const address = place.dataset.load;
  place.removeAttribute("data-load");
  let content;
  try {
    content = await part(address);
  } catch (error) {
    const said = document.createElement("p");
    said.setAttribute("role", "alert");
    said.textContent = `This could not be loaded: ${error.message}.`;
    place.replaceChildren(said);
    place.removeAttribute("aria-busy");
    return;
  }
  if (!place.isConnected) return;
  const panel = panelOf(place);
  for (const one of content.querySelectorAll("[data-goes]")) {
    panel?.querySelector(`#${one.dataset.goes}`)?.replaceChildren(...one.childNodes);
    one.remove();
  }
  place.replaceWith(content);
}

async function compare(form) {
  const into = panelOf(form)?.querySelector(`#${form.dataset.into}`);
  if (!into) return form.submit();
  into.setAttribute("aria-busy", "true");
  try {
    into.replaceChildren(await part(`${form.action}?${new URLSearchParams(new FormData(form))}`));
  } catch (error) {
    into.textContent = `They could not be compared: ${error.message}.`;
  }
  into.removeAttribute("aria-busy");
}

document.addEventListener("submit", (event) => {
  const form = within(event.target, "form[data-into]");
  if (!form) return;
  event.preventDefault();
  compare(form);
});
document.addEventListener("change", (event) => {
  const form = within(event.target, "form[data-into]");
  if (form && panelOf(form).querySelector(`#${form.dataset.into}`)?.childElementCount) compare(form);
});

function arrived(root) {
  for (const place of root.querySelectorAll("[data-load]")) load(place);
  if (root.querySelector("a.word")) upgrade(root);
}

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) if (node instanceof Element && (panelOf(node) || node.querySelector("[data-picture]"))) {
      arrived(node.parentElement ?? node);
    }
  }
}).observe(document.body, { childList: true, subtree: true });
arrived(document);
