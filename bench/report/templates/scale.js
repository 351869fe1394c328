// What plots are drawn with: SVG nodes, and the scale of an axis.

function node(name, attributes = {}, parent = null, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  parent?.append(made);
  return made;
}

// From the units of an axis to pixels. What is in view is kept in `view`, in logarithms on a logarithmic axis.
class Scale {
  constructor(axis) {
    this.axis = axis;
    this.home = [this.unit(axis.low), this.unit(axis.high)];
    this.view = [...this.home];
    this.fixed = axis.rows.length > 0; // bands of rows do not zoom
  }
  unit(value) { return this.axis.log ? Math.log10(value) : value; }
  value(unit) { return this.axis.log ? 10 ** unit : unit; }
  at(value) { return this.from + (this.unit(value) - this.view[0]) / (this.view[1] - this.view[0]) * (this.to - this.from); }
  under(pixel) { return this.view[0] + (pixel - this.from) / (this.to - this.from) * (this.view[1] - this.view[0]); }
  shows(value) { const unit = this.unit(value); return unit >= this.view[0] && unit <= this.view[1]; }
  get zoomed() { return this.view[1] - this.view[0] < (this.home[1] - this.home[0]) * 0.999; }
  // What is under `unit` stays where it is; never wider than at home, never closer than a five-hundredth.
  zoom(factor, unit) {
    if (this.fixed) return;
    const whole = this.home[1] - this.home[0];
    const now = this.view[1] - this.view[0];
    const width = Math.min(whole, Math.max(whole / 500, now * factor));
    const low = unit - (unit - this.view[0]) * width / now;
    this.show(low, width);
  }
  move(share) {
    const width = this.view[1] - this.view[0];
    if (!this.fixed) this.show(this.view[0] + share * width, width);
  }
  show(low, width) {
    const start = Math.min(Math.max(low, this.home[0]), this.home[1] - width);
    this.view = [start, start + width];
  }
  reset() { this.view = [...this.home]; }
  ticks(count) {
    const [low, high] = this.view.map((unit) => this.value(unit));
    if (this.axis.log) {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        for (const digit of high / low < 2000 ? [1, 2, 5] : [1]) found.push(Number(`${digit}e${power}`));
      }
      const shown = found.filter((value) => value >= low && value <= high);
      if (shown.length > 2) return shown;
    }
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((digit) => digit * power).find((candidate) => candidate >= rough);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(10)));
    return found;
  }
}
