// The map of the pictures on a canvas: moved, zoomed, coloured by group, and taken from by a line drawn around pictures.
// Without this file the drawing below the canvas stays, with its parts as links.

const SMALLEST = 0.7; // how far one can zoom out, in times of the whole map
const LARGEST = 120;
const NEAR = 14; // pixels from a picture's point within which it is meant
const THUMBS = 140; // pictures in view, or fewer: they are shown as such
const THUMB = 56;
const MOST_CORNERS = 150;

const map = document.getElementById("map");
if (map) start(map);

async function start(map) {
  const canvas = document.getElementById("map-canvas");
  const tip = document.getElementById("map-tip");
  const taken = document.getElementById("map-taken");
  const said = document.getElementById("map-said");
  const pen = canvas.getContext("2d");
  const answer = await fetch(map.dataset.from).catch(() => null);
  if (!answer?.ok) {
    said.textContent = "The map could not be loaded.";
    return;
  }
  const { points, groups, clusters } = await answer.json();
  const xs = Float32Array.from(points, (one) => one.x);
  const ys = Float32Array.from(points, (one) => one.y);
  const view = { x: 0.5, y: 0.5, zoom: 1 };
  const pictures = new Map(); // id -> its small picture
  let size = { width: 1, height: 1 };
  let only = null; // the group that is not faded
  let hovered = -1;
  let lassoing = false;
  let line = null; // being drawn, in the map's units
  let region = readRegion(map.dataset.region);
  let colours = {};
  let waiting = 0;
  let loading = 0;

  const whole = () => 0.92 * Math.min(size.width, size.height);
  const scale = () => whole() * view.zoom;
  const toX = (x) => (x - view.x) * scale() + size.width / 2;
  const toY = (y) => (y - view.y) * scale() + size.height / 2;
  const fromX = (px) => (px - size.width / 2) / scale() + view.x;
  const fromY = (py) => (py - size.height / 2) / scale() + view.y;

  function readColours() {
    const style = getComputedStyle(map);
    const value = (name) => style.getPropertyValue(name).trim();
    colours = {
      groups: groups.map((_, place) => value(`--group-${place}`)),
      text: value("--text"),
      ground: value("--surface"),
      accent: value("--accent"),
      ink: value("--ink"),
    };
  }

  function resize() {
    const box = canvas.getBoundingClientRect();
    const dense = window.devicePixelRatio || 1;
    size = { width: Math.max(1, box.width), height: Math.max(1, box.height) };
    canvas.width = Math.round(size.width * dense);
    canvas.height = Math.round(size.height * dense);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    paint();
  }

  function paint() {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); });
  }

  function inView(margin) {
    const found = [];
    for (let place = 0; place < points.length; place++) {
      const x = toX(xs[place]);
      const y = toY(ys[place]);
      if (x > -margin && y > -margin && x < size.width + margin && y < size.height + margin) found.push(place);
    }
    return found;
  }

  function draw() {
    pen.clearRect(0, 0, size.width, size.height);
    const seen = inView(THUMB);
    const asPictures = view.zoom > 3 && seen.length <= THUMBS;
    const radius = Math.min(6, Math.max(1.6, 2.2 * Math.sqrt(view.zoom) * Math.min(1.6, Math.sqrt(1500 / points.length))));
    for (const place of seen) {
      const group = points[place].group;
      const faded = only !== null && group !== only;
      pen.globalAlpha = faded ? 0.12 : 0.85;
      const x = toX(xs[place]);
      const y = toY(ys[place]);
      const image = asPictures && !faded ? pictureOf(points[place].id) : null;
      if (image?.complete && image.naturalWidth) {
        const fit = THUMB / Math.max(image.naturalWidth, image.naturalHeight);
        const [wide, high] = [image.naturalWidth * fit, image.naturalHeight * fit];
        pen.globalAlpha = 1;
        pen.fillStyle = colours.groups[group];
        pen.fillRect(x - wide / 2 - 2, y - high / 2 - 2, wide + 4, high + 4);
        pen.drawImage(image, x - wide / 2, y - high / 2, wide, high);
        continue;
      }
      pen.fillStyle = colours.groups[group];
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    if (view.zoom < 5) drawNames();
    if (hovered >= 0) {
      pen.strokeStyle = colours.ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(toX(xs[hovered]), toY(ys[hovered]), radius + 4, 0, 7);
      pen.stroke();
    }
    drawLine(line ?? region, Boolean(line));
    map.classList.add("drawn");
  }

  function drawNames() {
    pen.font = "600 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const written = [];
    for (const one of clusters) {
      const [x, y] = [toX(one.x), toY(one.y)];
      const half = pen.measureText(one.name).width / 2 + 4;
      const place = [x - half, y - 10, x + half, y + 10];
      if (written.some((other) => place[0] < other[2] && place[2] > other[0] && place[1] < other[3] && place[3] > other[1])) continue;
      written.push(place);
      pen.strokeStyle = colours.ground;
      pen.lineWidth = 5;
      pen.strokeText(one.name, x, y);
      pen.fillStyle = colours.text;
      pen.fillText(one.name, x, y);
    }
  }

  function drawLine(corners, open) {
    if (!corners || corners.length < 2) return;
    pen.beginPath();
    corners.forEach(([x, y], place) => (place ? pen.lineTo(toX(x), toY(y)) : pen.moveTo(toX(x), toY(y))));
    if (!open) pen.closePath();
    pen.globalAlpha = 0.14;
    pen.fillStyle = colours.accent;
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 2;
    pen.setLineDash(open ? [6, 4] : []);
    pen.stroke();
    pen.setLineDash([]);
  }

  /** More or fewer small pictures are on their way. */
  function coming(more) {
    loading += more;
    canvas.setAttribute("aria-busy", String(loading > 0));
  }

  function pictureOf(id) {
    let image = pictures.get(id);
    if (!image) {
      if (pictures.size > 600) pictures.delete(pictures.keys().next().value);
      image = new Image();
      coming(1);
      image.addEventListener("load", () => { coming(-1); paint(); });
      image.addEventListener("error", () => coming(-1));
      image.src = `/v1/items/${encodeURIComponent(id)}/thumbnail`;
      pictures.set(id, image);
    }
    return image;
  }

  function nearest(px, py) {
    let best = -1;
    let least = NEAR * NEAR;
    for (let place = 0; place < points.length; place++) {
      if (only !== null && points[place].group !== only) continue;
      const dx = toX(xs[place]) - px;
      const dy = toY(ys[place]) - py;
      const far = dx * dx + dy * dy;
      if (far < least) [best, least] = [place, far];
    }
    return best;
  }

  function hover(place, px, py) {
    if (place !== hovered) {
      hovered = place;
      paint();
      tip.hidden = place < 0;
      if (place >= 0) {
        const one = points[place];
        tip.querySelector("img").src = `/v1/items/${encodeURIComponent(one.id)}/thumbnail`;
        tip.querySelector("span").textContent = groups[one.group].name;
      }
    }
    if (place < 0) return;
    const left = px + 190 > size.width ? px - 184 : px + 16;
    const top = Math.min(Math.max(8, py - 90), size.height - 208);
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  function zoom(factor, px = size.width / 2, py = size.height / 2) {
    const [x, y] = [fromX(px), fromY(py)];
    view.zoom = Math.min(LARGEST, Math.max(SMALLEST, view.zoom * factor));
    view.x += x - fromX(px);
    view.y += y - fromY(py);
    keep();
  }

  function pan(dx, dy) {
    view.x -= dx / scale();
    view.y -= dy / scale();
    keep();
  }

  function keep() {
    view.x = Math.min(1.1, Math.max(-0.1, view.x));
    view.y = Math.min(1.1, Math.max(-0.1, view.y));
    paint();
  }

  function showAll() {
    Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
    paint();
  }

  // What is taken: the same rule as the server's, a point is inside if a line from it crosses the border oddly often.
  function within(corners) {
    let count = 0;
    for (let place = 0; place < points.length; place++) {
      let inside = false;
      for (let one = 0, other = corners.length - 1; one < corners.length; other = one++) {
        const [x1, y1] = corners[one];
        const [x2, y2] = corners[other];
        if (ys[place] < y1 !== ys[place] < y2 && xs[place] < ((x2 - x1) * (ys[place] - y1)) / (y2 - y1) + x1) inside = !inside;
      }
      count += inside;
    }
    return count;
  }

  function take(corners) {
    const step = Math.ceil(corners.length / MOST_CORNERS);
    region = corners
      .filter((_, place) => place % step === 0)
      .map((corner) => corner.map((value) => Number(Math.min(1, Math.max(0, value)).toFixed(4))));
    if (region.length < 3) return clear();
    showTaken();
  }

  function showTaken() {
    const count = region ? within(region) : 0;
    taken.hidden = !region;
    const written = region ? region.map((corner) => corner.join(",")).join(";") : "";
    const address = new URL(location);
    if (written) address.searchParams.set("region", written);
    else address.searchParams.delete("region");
    history.replaceState(history.state, "", address);
    if (region) {
      const link = taken.querySelector("a");
      const wanted = new URL(map.dataset.base, location);
      wanted.searchParams.set("region", written);
      link.href = wanted.pathname + wanted.search;
      const text = count ? `Show these ${count.toLocaleString("en")} picture${count === 1 ? "" : "s"}` : "No pictures here";
      link.textContent = text;
      link.toggleAttribute("aria-disabled", !count);
      said.textContent = count ? `${count} pictures taken.` : "No pictures there.";
    }
    paint();
  }

  function clear() {
    region = line = null;
    said.textContent = "";
    showTaken();
  }

  function takeView() {
    const [left, top, right, bottom] = [fromX(0), fromY(0), fromX(size.width), fromY(size.height)];
    take([[left, top], [right, top], [right, bottom], [left, bottom]]);
    taken.querySelector("a").focus();
  }

  function setLasso(on) {
    lassoing = on;
    map.classList.toggle("lassoing", on);
    map.querySelector("[data-map=lasso]").setAttribute("aria-pressed", String(on));
  }

  // Pointers: one moves the map or draws a line, two zoom.
  const down = new Map();
  let moved = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const gap = () => {
    const [[x1, y1], [x2, y2]] = [...down.values()];
    return [Math.hypot(x2 - x1, y2 - y1), (x1 + x2) / 2, (y1 + y2) / 2];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    moved = 0;
    hover(-1);
    if (down.size === 1 && (lassoing || event.shiftKey)) line = [[fromX(at(event)[0]), fromY(at(event)[1])]];
    else line = null;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") hover(nearest(x, y), x, y);
      return;
    }
    if (down.size === 2) {
      const [was] = gap();
      down.set(event.pointerId, [x, y]);
      const [now, mx, my] = gap();
      pan((x - before[0]) / 2, (y - before[1]) / 2);
      if (was > 0) zoom(now / was, mx, my);
      moved += 10;
      return;
    }
    moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
    if (line) {
      const [lx, ly] = line.at(-1);
      if (Math.hypot(toX(lx) - x, toY(ly) - y) > 5) line.push([fromX(x), fromY(y)]);
      down.set(event.pointerId, [x, y]);
      paint();
      return;
    }
    pan(x - before[0], y - before[1]);
    down.set(event.pointerId, [x, y]);
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (line) {
      const drawn = line;
      line = null;
      if (drawn.length > 2) take(drawn);
      setLasso(false);
      paint();
      return;
    }
    if (event.type === "pointerup" && moved < 6 && !down.size) {
      const place = nearest(...at(event));
      if (place >= 0) location.assign(`/picture/${encodeURIComponent(points[place].id)}`);
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60;
    const keys = {
      ArrowLeft: () => pan(step, 0),
      ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step),
      ArrowDown: () => pan(0, -step),
      "+": () => zoom(1.4),
      "=": () => zoom(1.4),
      "-": () => zoom(1 / 1.4),
      0: showAll,
      s: () => setLasso(!lassoing),
      Enter: takeView,
      Escape: () => { setLasso(false); clear(); },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    if (event.key.length === 1 || event.key.startsWith("Arrow")) said.textContent = `${inView(0).length} pictures in view.`;
  });
  map.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-map]")?.dataset.map;
    const act = {
      in: () => zoom(1.6),
      out: () => zoom(1 / 1.6),
      all: showAll,
      lasso: () => setLasso(!lassoing),
      view: takeView,
      clear,
    }[tool];
    act?.();
    const group = event.target.closest("[data-group]");
    if (group) {
      const place = Number(group.dataset.group);
      only = only === place ? null : place;
      for (const one of map.querySelectorAll("[data-group]")) one.setAttribute("aria-pressed", String(Number(one.dataset.group) === only));
      paint();
    }
    if (event.target.closest("[aria-disabled]")) event.preventDefault();
  });

  const again = () => { readColours(); paint(); };
  new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  readColours();
  new ResizeObserver(resize).observe(canvas);
  if (region) showTaken();
}

function readRegion(text) {
  const corners = (text || "").split(";").map((corner) => corner.split(",").map(Number));
  return corners.length > 2 && corners.flat().every(Number.isFinite) ? corners : null;
}
