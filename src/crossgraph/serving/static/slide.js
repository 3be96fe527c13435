// The re-ranked order comes in one move; pictures that are there already are not drawn anew.

const MILLISECONDS = 200;

/** Put the images of `before` in the place of the same in `next`, so that nothing flickers. */
export function reuseImages(before, next) {
  const there = new Map([...before.querySelectorAll(".tile")].map((one) => [one.dataset.id, one]));
  for (const tile of next.querySelectorAll(".tile")) {
    const old = there.get(tile.dataset.id);
    const image = old?.querySelector(".pic img");
    const fresh = tile.querySelector(".pic img");
    if (!image || image.getAttribute("src") !== fresh.getAttribute("src")) continue;
    image.alt = fresh.alt;
    fresh.replaceWith(image);
    if (old.classList.contains("gone")) {
      tile.classList.add("gone");
      const note = old.querySelector(".missing");
      if (note) image.closest(".pic").append(note);
    }
  }
}

/** Replace `before` by `next`; what is seen of it moves from where it was, once, unless less motion is wanted. */
export function slide(before, next) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const from = new Map();
  if (!still) {
    for (const tile of before.querySelectorAll(".tile")) from.set(tile.dataset.id, tile.getBoundingClientRect());
  }
  reuseImages(before, next);
  before.replaceWith(next);
  for (const tile of next.querySelectorAll(".tile")) {
    const was = from.get(tile.dataset.id);
    if (!was) continue;
    const is = tile.getBoundingClientRect();
    const seen = [was, is].some((one) => one.bottom > 0 && one.top < innerHeight);
    const [x, y] = [was.left - is.left, was.top - is.top];
    if (!seen || (Math.abs(x) < 1 && Math.abs(y) < 1)) continue;
    tile.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: MILLISECONDS, easing: "ease-out" });
  }
}
