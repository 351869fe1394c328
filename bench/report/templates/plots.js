// Plots as SVG from the data in the page: zoom, move, tooltips, and the same with the keyboard.

// Marks of verdicts, drawn from their middle.
const SHAPES = {
  up: "m0 -6l6 11h-12z", down: "m0 6l6 -11h-12z", square: "m-5 -5h10v10h-10z",
  circle: "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", left: "m-6 0l10 -5v10z", right: "m6 0l-10 -5v10z",
};

class Plot {
  constructor(box, data) {
    Object.assign(this, { box, data, x: new Scale(data.x), y: new Scale(data.y), chosen: null });
    const what = `${data.title}, ${data.y.label || "rows"} by ${data.x.label}`;
    this.svg = node("svg", { tabindex: 0, role: "application", "aria-label": what, "aria-describedby": "plot-keys" }, box);
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    if (!data.compact) box.append(this.buttons());
    box.append(this.tip);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(box);
  }

  buttons() {
    const bar = document.createElement("div");
    bar.className = "zoom";
    for (const [sign, label, act] of [
      ["+", "Zoom in", () => this.zoom(0.6)], ["−", "Zoom out", () => this.zoom(1 / 0.6)], ["Reset", "Show all", () => this.reset()],
    ]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "button", textContent: sign, ariaLabel: `${label}: ${this.data.title}` });
      button.addEventListener("click", act);
      bar.append(button);
    }
    return bar;
  }

  // --- drawing -------------------------------------------------------------------------------------------

  resize() {
    const width = this.box.clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    const { rows } = this.data.y;
    this.narrow = width < 560; // too narrow for names beside the plot: they stand over their rows
    const band = this.narrow ? 40 : 28;
    const top = this.data.compact ? 6 : 34;
    const bottom = this.data.compact ? 20 : 44;
    this.height = rows.length ? rows.length * band + top + bottom : this.data.compact ? 130 : Math.min(520, width * 0.62 + 60);
    const left = rows.length ? (this.narrow ? 8 : Math.min(220, 24 + 7 * Math.max(...rows.map((row) => row.length)))) : this.data.compact ? 30 : 52;
    Object.assign(this.x, { from: left, to: width - 12 });
    Object.assign(this.y, rows.length ? { from: top, to: this.height - bottom } : { from: this.height - bottom, to: top });
    for (const [key, value] of [["width", width], ["height", this.height], ["viewBox", `0 0 ${width} ${this.height}`]]) this.svg.setAttribute(key, value);
    this.draw();
  }

  draw() {
    this.svg.replaceChildren();
    this.targets = []; // what can be pointed at
    const { x, y, data } = this;
    const clip = `clip-${data.name}`;
    const [top, bottom] = [Math.min(y.from, y.to), Math.max(y.from, y.to)];
    node("rect", { x: x.from - 6, y: top - 6, width: x.to - x.from + 12, height: bottom - top + 12 }, node("clipPath", { id: clip }, this.svg));
    this.axes(top, bottom);
    const marks = node("g", { "clip-path": `url(#${clip})` }, this.svg);
    if (data.band) {
      const [low, high] = data.band.map((value) => x.at(value));
      node("rect", { x: low, width: high - low, y: top - 6, height: bottom - top + 12, class: "band" }, marks);
    }
    for (const { axis, at } of data.references) {
      const place = axis === "x" ? { x1: x.at(at), x2: x.at(at), y1: top, y2: bottom } : { x1: x.from, x2: x.to, y1: y.at(at), y2: y.at(at) };
      node("line", { ...place, class: "reference" }, marks);
    }
    for (const line of data.lines) this.line(line, marks);
    for (const point of data.points) this.point(point, marks);
    this.labels(marks);
    this.halo = node("circle", { r: 8, class: "halo", visibility: "hidden" }, marks);
    this.choose(this.targets.find((target) => target.key === this.chosen?.key) ?? null);
  }

  axes(top, bottom) {
    const { x, y, data } = this;
    const write = (value) => (value >= 1000 ? value.toLocaleString("en-GB") : String(value));
    for (const value of x.ticks(data.compact ? 4 : Math.max(3, (x.to - x.from) / 90))) {
      node("line", { x1: x.at(value), x2: x.at(value), y1: top, y2: bottom, class: "grid" }, this.svg);
      node("text", { x: x.at(value), y: bottom + 16, "text-anchor": "middle" }, this.svg, write(value));
    }
    if (!data.compact) node("text", { x: (x.from + x.to) / 2, y: this.height - 6, "text-anchor": "middle" }, this.svg, data.x.label);
    if (data.y.rows.length) {
      data.y.rows.forEach((row, i) => {
        const place = this.narrow ? { x: x.from, y: y.at(i) - 12 } : { x: x.from - 14, y: y.at(i) + 4, "text-anchor": "end" };
        const room = this.narrow ? 48 : 28;
        const name = row.length > room ? `${row.slice(0, room - 1)}…` : row;
        node("text", { ...place, class: "name" }, this.svg, name);
      });
      return;
    }
    for (const value of y.ticks(data.compact ? 3 : 6)) {
      node("line", { x1: x.from, x2: x.to, y1: y.at(value), y2: y.at(value), class: "grid" }, this.svg);
      node("text", { x: x.from - 6, y: y.at(value) + 4, "text-anchor": "end" }, this.svg, write(value));
    }
    if (!data.compact) node("text", { x: 4, y: 18 }, this.svg, data.y.label);
  }

  line({ points, kind, family, text, run }, marks) {
    const corners = points.map(([a, b]) => `${this.x.at(a)},${this.y.at(b)}`).join(" ");
    node("polyline", { points: corners, class: `${kind} k${family}` }, marks);
    if (!text) return;
    for (const [a, b] of points) {
      const words = [this.data.title, `${text}, epoch ${Number(a.toFixed(2))}: ${Number(b.toFixed(4))}`];
      this.target(a, b, words, run, `${text} ${a}`);
    }
  }

  point({ x, y, kind, family, text, run, label }, marks) {
    const [px, py] = [this.x.at(x), this.y.at(y)];
    const [shape, hollow] = kind.split("-");
    if (kind === "published") node("path", { d: `M${px} ${py - 5}l5 5l-5 5l-5 -5z`, class: "published" }, marks);
    else if (shape in SHAPES) node("path", { d: `M${px} ${py}${SHAPES[shape]}`, class: `mean k${family}${hollow ? " hollow" : ""}` }, marks);
    else node("circle", { cx: px, cy: py, r: kind === "mean" ? 5 : 3.4, class: `${kind} k${family}` }, marks);
    this.target(x, y, text, run, `${text} ${y}`, label);
  }

  target(x, y, text, run, key, label = "") {
    if (this.x.shows(x) && this.y.shows(y)) this.targets.push({ px: this.x.at(x), py: this.y.at(y), text, run, key, label });
  }

  // Names beside the points, where they lie on nothing; a closer view has room for more.
  labels(marks) {
    const taken = this.targets.map(({ px, py }) => [px - 6, py - 6, px + 6, py + 6]);
    const clear = (box) => taken.every((other) => box[2] < other[0] || other[2] < box[0] || box[3] < other[1] || other[3] < box[1]);
    for (const { px, py, label } of this.targets.filter((target) => target.label)) {
      const text = node("text", { class: "name" }, marks, label);
      const [width, height] = [text.getComputedTextLength(), 13];
      const places = [
        [px + 10, py + 4], [px - 10 - width, py + 4], [px - width / 2, py - 11], [px - width / 2, py + 20],
        [px + 8, py - 9], [px + 8, py + 17], [px - 8 - width, py - 9], [px - 8 - width, py + 17],
      ];
      const place = places.find(([left, base]) => left > this.x.from && left + width < this.x.to && clear([left, base - height + 2, left + width, base + 2]));
      if (!place) { text.remove(); continue; }
      text.setAttribute("x", place[0]);
      text.setAttribute("y", place[1]);
      taken.push([place[0], place[1] - height + 2, place[0] + width, place[1] + 2]);
    }
  }

  // --- pointing, zooming, moving -------------------------------------------------------------------------

  choose(target) {
    this.chosen = target;
    this.tip.hidden = !target;
    this.halo.setAttribute("visibility", target ? "visible" : "hidden");
    this.svg.classList.toggle("on-link", Boolean(target?.run));
    if (!target) return;
    this.halo.setAttribute("cx", target.px);
    this.halo.setAttribute("cy", target.py);
    const title = document.createElement("b");
    title.textContent = target.text[0];
    const lines = target.text.slice(1).map((line) => Object.assign(document.createElement("div"), { textContent: line }));
    this.tip.replaceChildren(title, ...lines);
    const room = this.width - this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, Math.min(room, target.px + 14))}px`;
    this.tip.style.top = `${Math.max(0, target.py - this.tip.offsetHeight - 12)}px`;
  }

  zoom(factor, px = (this.x.from + this.x.to) / 2, py = (this.y.from + this.y.to) / 2) {
    this.x.zoom(factor, this.x.under(px));
    this.y.zoom(factor, this.y.under(py));
    this.draw();
  }

  move(right, up) {
    this.x.move(right);
    this.y.move(up);
    this.draw();
  }

  reset() {
    this.x.reset();
    this.y.reset();
    this.draw();
  }

  listen() {
    const { svg } = this;
    let held = null;
    svg.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, y: event.clientY, moved: false };
    });
    svg.addEventListener("pointermove", (event) => {
      if (held && event.buttons) this.drag(event, held);
      else this.choose(this.nearest(event));
    });
    svg.addEventListener("pointerleave", () => { if (!held?.moved) this.choose(null); });
    svg.addEventListener("click", () => {
      if (!held?.moved && this.chosen?.run) openRecord(this.chosen.run);
      held = null;
    });
    svg.addEventListener("dblclick", (event) => this.zoom(0.5, ...this.inside(event)));
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a bare wheel scrolls the page
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 0.8 : 1.25, ...this.inside(event));
    }, { passive: false });
    svg.addEventListener("blur", () => this.choose(null));
    svg.addEventListener("keydown", (event) => { if (this.key(event)) event.preventDefault(); });
  }

  drag(event, held) {
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(dx, dy) < 5) return; // a click that trembles
    if (!held.moved) this.svg.setPointerCapture(event.pointerId);
    Object.assign(held, { x: event.clientX, y: event.clientY, moved: true });
    this.chosen = null;
    this.move(-dx / (this.x.to - this.x.from), -dy / (this.y.to - this.y.from));
  }

  inside(event) {
    const corner = this.svg.getBoundingClientRect();
    return [event.clientX - corner.left, event.clientY - corner.top];
  }

  nearest(event) {
    const [px, py] = this.inside(event);
    let [best, least] = [null, 18];
    for (const target of this.targets) {
      const distance = Math.hypot(target.px - px, target.py - py);
      if (distance < least) [best, least] = [target, distance];
    }
    return best;
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key in arrows && event.shiftKey) this.move(...arrows[event.key].map((step) => step / 5));
    else if (event.key in arrows) this.step(["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : -1);
    else if (event.key === "+" || event.key === "=") this.zoom(0.6);
    else if (event.key === "-") this.zoom(1 / 0.6);
    else if (event.key === "0") this.reset();
    else if (event.key === "Enter" && this.chosen?.run) openRecord(this.chosen.run);
    else if (event.key === "Escape" && this.chosen) this.choose(null);
    else return false;
    return true;
  }

  step(by) {
    const { length } = this.targets;
    if (!length) return;
    const now = this.targets.indexOf(this.chosen);
    this.choose(this.targets[now < 0 ? (by > 0 ? 0 : length - 1) : (now + by + length) % length]);
    say(this.chosen.text.join(", "));
  }
}

const plotData = JSON.parse(byId("plot-data").textContent);
for (const box of document.querySelectorAll("[data-plot]")) new Plot(box, plotData[box.dataset.plot]);
