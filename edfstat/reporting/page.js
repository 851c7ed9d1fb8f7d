"use strict";
// Redraws the static charts to fit the screen, and adds: one measure at a time, groups on and off, reading off
// values, zooming. Everything is read from the JSON block; without this script the page shows all charts at once.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const SEPARATOR = "\u001f";
  const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 2", "6 2 2 2 2 2"];
  const charts = new Map(JSON.parse(document.getElementById("chart-data").textContent).map((c) => [c.key, c]));
  const controls = document.getElementById("controls");
  const hidden = new Set();
  const views = [];

  const make = (name, attributes, text) => {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const ticksOf = (low, high, about) => {
    let step = 10 ** Math.floor(Math.log10((high - low) / about));
    for (const factor of [2, 2.5, 2, 2]) if ((high - low) / step > about) step *= factor;
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(10)));
    return found;
  };

  // Fewer than three ticks show no scale: where the range has fewer, it is cut finer.
  const atLeastThree = (low, high, about) => {
    let found = ticksOf(low, high, about);
    for (let more = about + 1; found.length < 3 && more < 20; more++) found = ticksOf(low, high, more);
    return found;
  };

  const label = (v) =>
    Math.abs(v) >= 1000 ? v.toLocaleString("en-US", { maximumFractionDigits: 6 }) : String(Number(v.toPrecision(6)));

  const isShown = (groups) => groups.every((name) => !hidden.has(name));

  // Position of the last x that is <= value, -1 if none.
  const lastAt = (xs, value) => {
    let low = 0;
    let high = xs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };

  const valueAt = (chart, series, x) => {
    const place = lastAt(series.x, x);
    if (chart.kind === "step") return place < 0 ? 0 : series.y[place];
    const after = Math.min(place + 1, series.x.length - 1);
    const near = place < 0 || series.x[after] - x < x - series.x[place] ? after : place;
    return series.y[near];
  };

  class View {
    constructor(figure) {
      this.figure = figure;
      this.chart = charts.get(figure.dataset.chart);
      this.canvas = figure.querySelector(".canvas");
      this.readout = figure.querySelector(".readout");
      this.svg = this.canvas.querySelector("svg");
      this.range = this.chart.xRange.slice();
      this.cursor = null;
      figure.classList.add("live");
      this.svg.setAttribute("tabindex", "0");
      this.addTools();
      this.listen();
    }

    addTools() {
      const tools = document.createElement("div");
      tools.className = "tools";
      const actions = [["Zoom in", () => this.zoom(0.5)], ["Zoom out", () => this.zoom(2)], ["Reset", () => this.reset()]];
      for (const [text, action] of actions) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.setAttribute("aria-label", `${text}: ${this.chart.title}`);
        button.addEventListener("click", action);
        tools.append(button);
      }
      this.figure.append(tools);
    }

    listen() {
      const svg = this.svg;
      let start = null;
      const at = (event) => this.unscale(event.clientX - svg.getBoundingClientRect().left);
      svg.addEventListener("pointermove", (event) => {
        this.cursor = at(event);
        this.point(start);
      });
      svg.addEventListener("pointerleave", () => {
        this.cursor = null;
        start = null;
        this.point(null);
      });
      svg.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "mouse") start = at(event);
        this.cursor = at(event);
        this.point(start);
      });
      svg.addEventListener("pointerup", (event) => {
        const end = at(event);
        if (start !== null && Math.abs(this.scale(end) - this.scale(start)) > 8) {
          this.range = [Math.min(start, end), Math.max(start, end)];
          this.draw();
        }
        start = null;
      });
      svg.addEventListener("dblclick", () => this.reset());
      svg.addEventListener("keydown", (event) => this.key(event));
    }

    key(event) {
      const step = (event.shiftKey ? 0.1 : 0.01) * (this.right - this.left);
      const here = this.cursor === null ? (this.left + this.right) / 2 : this.scale(this.cursor);
      const moves = { ArrowLeft: -step, ArrowRight: step };
      if (event.key in moves) {
        this.cursor = this.unscale(Math.min(this.right, Math.max(this.left, here + moves[event.key])));
        this.point(null);
      } else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "Escape" || event.key === "0") this.reset();
      else return;
      event.preventDefault();
    }

    zoom(factor) {
      const middle = this.cursor === null ? this.unscale((this.left + this.right) / 2) : this.cursor;
      const [low, high] = this.range;
      if (this.chart.xLog) {
        this.range = [middle * (low / middle) ** factor, middle * (high / middle) ** factor];
        const ends = this.extent();
        this.range = [Math.max(this.range[0], ends[0]), Math.min(this.range[1], ends[1])];
      } else {
        const ends = this.extent();
        this.range = [Math.max(middle - (middle - low) * factor, ends[0]), Math.min(middle + (high - middle) * factor, ends[1])];
      }
      if (!(this.range[1] > this.range[0])) this.range = this.chart.xRange.slice();
      this.draw();
    }

    extent() {
      let [low, high] = this.chart.xRange;
      for (const series of this.chart.series) {
        if (!series.x.length) continue;
        low = Math.min(low, series.x[0]);
        high = Math.max(high, series.x[series.x.length - 1]);
      }
      return [low, high];
    }

    reset() {
      this.range = this.chart.xRange.slice();
      this.draw();
    }

    scale(x) {
      const [low, high] = this.range;
      const share = this.chart.xLog ? Math.log(x / low) / Math.log(high / low) : (x - low) / (high - low);
      return this.left + share * (this.right - this.left);
    }

    unscale(pixel) {
      const share = (pixel - this.left) / (this.right - this.left);
      const [low, high] = this.range;
      return this.chart.xLog ? low * (high / low) ** share : low + share * (high - low);
    }

    level(y) {
      const [low, high] = this.chart.yRange;
      return this.floor - ((y - low) / (high - low)) * (this.floor - this.top);
    }

    draw() {
      const width = Math.max(260, Math.round(this.canvas.clientWidth) || 720);
      const height = Math.round(Math.min(400, Math.max(250, width * 0.6)));
      Object.assign(this, { left: 54, right: width - 10, top: 10, floor: height - 44, width, height });
      const svg = this.svg;
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const kept = [...svg.querySelectorAll("title, desc, clipPath")];
      svg.replaceChildren(...kept);
      const clip = svg.querySelector("clipPath rect");
      const box = { x: this.left, y: this.top, width: this.right - this.left, height: this.floor - this.top };
      for (const key in box) clip.setAttribute(key, box[key]);
      this.drawAxes();
      const inside = make("g", { "clip-path": `url(#${this.chart.key}-c)` });
      const shown = this.chart.series.filter((series) => isShown(series.groups));
      for (const series of shown) if (series.lower && shown.length <= this.chart.mostBands) inside.append(this.band(series));
      for (const series of shown) inside.append(this.curve(series));
      this.overlay = make("g", {});
      svg.append(inside, ...shown.flatMap((series) => this.marks(series)), this.overlay);
      this.point(null);
    }

    drawAxes() {
      const { svg, left, right, top, floor, chart } = this;
      const about = Math.max(3, Math.floor((right - left) / 80));
      let xs = chart.ticks.filter((v) => v >= this.range[0] * 0.999 && v <= this.range[1] * 1.001);
      if (xs.length < 3) xs = atLeastThree(...this.range, about);
      let end = -Infinity;
      for (const value of xs) {
        const x = this.scale(value);
        svg.append(make("line", { class: "grid", x1: x, x2: x, y1: top, y2: floor }));
        const text = make("text", { x, y: floor + 16, "text-anchor": "middle" }, label(value));
        svg.append(text);
        // A label that would run into the one before is left to its line.
        const half = text.getComputedTextLength() / 2;
        if (x - half < end + 4) text.remove();
        else end = x + half;
      }
      for (const value of ticksOf(...chart.yRange, 6)) {
        const y = this.level(value);
        svg.append(make("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
        svg.append(make("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, label(value)));
      }
      if (chart.baseline !== null) svg.append(make("line", { class: "axis", x1: left, x2: right, y1: this.level(chart.baseline), y2: this.level(chart.baseline) }));
      if (chart.mark !== null) svg.append(make("line", { class: "mark", x1: this.scale(chart.mark), x2: this.scale(chart.mark), y1: top, y2: floor }));
      svg.append(make("path", { class: "axis", d: `M${left} ${top}V${floor}H${right}` }));
      svg.append(make("text", { x: (left + right) / 2, y: this.height - 8, "text-anchor": "middle" }, chart.xLabel));
      const middle = (top + floor) / 2;
      svg.append(make("text", { x: 13, y: middle, "text-anchor": "middle", transform: `rotate(-90 13 ${middle})` }, chart.yLabel));
    }

    points(series, ys) {
      const found = [];
      const step = this.chart.kind === "step";
      const rising = step && this.chart.key.startsWith("edf");
      if (rising && series.x.length) found.push([this.scale(series.x[0]), this.level(0)]);
      for (let i = 0; i < series.x.length; i++) {
        if (ys[i] === null) continue;
        const y = Math.min(1e4, Math.max(-1e4, this.level(ys[i])));
        found.push([this.scale(series.x[i]), y]);
        if (step) found.push([i + 1 < series.x.length ? this.scale(series.x[i + 1]) : rising ? Math.max(this.right, this.scale(series.x[i])) : this.scale(series.x[i]), y]);
      }
      return found;
    }

    curve(series) {
      const text = this.points(series, series.y).map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
      return make("path", { class: `curve s${series.color % 8}`, d: text && `M${text}`, "stroke-dasharray": DASHES[series.dash] });
    }

    // Marks of the values in range, whole also where they lie on the edge.
    marks(series) {
      const found = [];
      for (let i = 0; series.hollow && i < series.x.length; i++) {
        if (series.y[i] === null) continue;
        const [cx, cy] = [this.scale(series.x[i]), this.level(series.y[i])];
        if (cx < this.left - 0.5 || cx > this.right + 0.5 || cy < this.top || cy > this.floor) continue;
        const kind = `dot s${series.color % 8}${series.hollow[i] ? " hollow" : ""}`;
        found.push(make("circle", { class: kind, cx, cy, r: 3.5 }));
      }
      return found;
    }

    band(series) {
      const there = this.points(series, series.lower);
      const back = this.points(series, series.upper).reverse();
      const text = [...there, ...back].map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
      return make("path", { class: `band s${series.color % 8}`, d: text && `M${text}Z` });
    }

    point(start) {
      if (!this.overlay) return;
      this.overlay.replaceChildren();
      if (this.cursor === null) {
        this.say("Point at the chart or use the arrow keys to read values; drag across it to zoom.");
        return;
      }
      let x = Math.min(this.range[1], Math.max(this.range[0], this.cursor));
      const chart = this.chart;
      if (chart.kind === "line" && chart.series.length) {
        const xs = chart.series[0].x;
        const place = lastAt(xs, x);
        const after = Math.min(place + 1, xs.length - 1);
        x = place < 0 || Math.abs(this.scale(xs[after]) - this.scale(x)) < Math.abs(this.scale(x) - this.scale(xs[place])) ? xs[after] : xs[place];
      }
      const at = this.scale(x);
      if (start !== null) this.overlay.append(make("rect", { class: "select", x: Math.min(at, this.scale(start)), width: Math.abs(at - this.scale(start)), y: this.top, height: this.floor - this.top }));
      this.overlay.append(make("line", { class: "cursor", x1: at, x2: at, y1: this.top, y2: this.floor }));
      const parts = chart.series.filter((s) => isShown(s.groups)).map((s) => {
        const value = valueAt(chart, s, x);
        return `${s.name} ${value === null || value === undefined ? "–" : Number(value.toPrecision(4))}${value === null || value === undefined || !chart.yUnit ? "" : " " + chart.yUnit}`;
      });
      const where = `${chart.xLabel.replace(/ \(%\)$/, "")}${chart.key.startsWith("edf") ? " ≤" : ""} ${label(Number(x.toPrecision(4)))}${chart.xUnit ? " " + chart.xUnit : ""}`;
      this.say(`${where}: ${parts.join(" · ")}`);
    }

    // Whoever hears the page hears every text that is set, so the same one is not set again.
    say(text) {
      if (this.readout.textContent !== text) this.readout.textContent = text;
    }
  }

  const choose = (measure) => {
    for (const node of document.querySelectorAll("main [data-measure]")) {
      const own = node.dataset.measure;
      const needsOne = own === "" || measure === "" || own === measure;
      // Charts of complexity have no raw form: they stay while the raw comparison is chosen.
      const noRaw = measure === "none" && !document.querySelector(`#${node.closest("section").id} [data-measure="none"]`);
      node.classList.toggle("off", !(needsOne || noRaw));
    }
    redraw();
  };

  const showGroups = () => {
    for (const node of document.querySelectorAll("main [data-groups]")) {
      const visible = isShown(node.dataset.groups.split(SEPARATOR));
      node.style.display = visible ? "" : "none";
    }
    redraw();
  };

  const redraw = () => {
    for (const view of views) if (view.canvas.clientWidth) view.draw();
  };

  for (const figure of document.querySelectorAll("figure.chart")) views.push(new View(figure));
  const radios = [...controls.querySelectorAll("input[name=measure]")];
  for (const radio of radios) radio.addEventListener("change", () => choose(radio.value));
  const boxes = [...controls.querySelectorAll("input[name=group]")];
  const readBoxes = () => {
    hidden.clear();
    for (const box of boxes) if (!box.checked) hidden.add(box.value);
    showGroups();
  };
  for (const box of boxes) box.addEventListener("change", readBoxes);
  for (const button of controls.querySelectorAll("button[data-show]")) {
    button.addEventListener("click", () => {
      for (const box of boxes) box.checked = button.dataset.show === "all";
      readBoxes();
    });
  }
  controls.hidden = false;
  // The first normalised measure answers the question of the report; the raw one if there is no other.
  const first = radios.length > 2 ? radios[1] : radios[0];
  first.checked = true;
  choose(first.value);
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  let opened = [];
  addEventListener("beforeprint", () => {
    for (const node of document.querySelectorAll("main .off")) node.classList.remove("off");
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const node of opened) node.open = true;
    redraw();
  });
  addEventListener("afterprint", () => {
    for (const node of opened) node.open = false;
    choose(radios.find((radio) => radio.checked).value);
  });
  document.documentElement.dataset.ready = String(views.length);
})();
