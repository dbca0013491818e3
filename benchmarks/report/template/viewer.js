// Galleries: two pictures of a test image under a slider, an error map, the scores, and all images to choose from.

const NONE = "–", SOURCE = "source", TARGET = "target";

/** An element with its attributes and children; texts are texts, whatever they hold. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The end of a name tells images apart. */
const shortened = name => name.length > 9 ? `…${name.slice(-8)}` : name;

class Viewer {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(root.querySelector("script").textContent);
    this.fields = root.querySelector("form").elements;
    this.tip = root.querySelector(".tip");
    this.fill();
    this.listen();
    this.choose(this.ordered()[0]);
  }

  // What can be chosen.

  fill() {
    const { rows, metrics, start } = this.data;
    const sides = [[SOURCE, SOURCE], [TARGET, TARGET], ...rows.map((row, number) => [String(number), row])];
    this.options("left", sides, SOURCE);
    this.options("right", sides, String(start));
    this.options("error", sides.slice(2), String(start));
    this.options("row", sides.slice(2), String(start));
    this.options("metric", metrics.map(({ name }, number) => [String(number), name]), "0");
    const filters = this.root.querySelector(".filters");
    for (const fact of new Set(this.data.images.flatMap(image => Object.keys(image.facts)))) {
      const values = [...new Set(this.data.images.map(image => image.facts[fact] ?? ""))].sort();
      if (values.length < 2) continue;
      filters.append(make("label", {}, `${fact} `, make("select", { name: `fact ${fact}`, "data-fact": fact })));
      this.options(`fact ${fact}`, [["", "all"], ...values.filter(Boolean).map(value => [value, value])], "");
    }
  }

  options(name, choices, chosen) {
    this.fields[name].replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
    this.fields[name].value = chosen;
  }

  listen() {
    const form = this.root.querySelector("form"), slider = this.root.querySelector(".compare input");
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("input", event => this.changed(event.target));
    slider.addEventListener("input", () => slider.parentElement.style.setProperty("--cut", `${slider.value}%`));
    for (const button of this.root.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
    this.root.addEventListener("keydown", event => { if (event.key === "Escape") this.tip.hidden = true; });
  }

  changed(field) {
    if (field.name === "right" && field.value in this.data.rows) this.fields.error.value = this.fields.row.value = field.value;
    const ordered = this.ordered();
    const moved = ["row", "metric", "order"].includes(field.name) || field.dataset.fact !== undefined;
    this.choose(moved || !ordered.includes(this.image) ? ordered[0] : this.image);
  }

  step(by) {
    const ordered = this.ordered();
    if (ordered.length) this.choose(ordered[(ordered.indexOf(this.image) + by + ordered.length) % ordered.length]);
  }

  // Which images are there, and in which order.

  score(image, row, metric = this.fields.metric.value) {
    return image.scores[this.data.rows[row]]?.[metric] ?? null;
  }

  printed(score, metric = this.fields.metric.value) {
    return score === null ? NONE : score.toFixed(this.data.metrics[metric].digits);
  }

  /** How good an image is: more is better. */
  goodness(image) {
    const score = this.score(image, this.fields.row.value), better = this.data.metrics[this.fields.metric.value]?.better;
    if (score === null) return null;
    return better === 0 ? -Math.abs(score) : better * score;
  }

  ordered() {
    const filters = [...this.root.querySelectorAll("[data-fact]")].filter(field => field.value);
    const shown = this.data.images.filter(image => filters.every(field => image.facts[field.dataset.fact] === field.value));
    const sign = this.fields.order.value === "worst" ? 1 : -1;
    const keyed = shown.map(image => ({ image, value: this.goodness(image) }));
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return sign * (a.value - b.value);
    });
    return keyed.map(({ image }) => image);
  }

  // What is drawn.

  picture(image, side) {
    return side === SOURCE || side === TARGET ? image[side] : image.made[this.data.rows[side]];
  }

  name(side) {
    return this.data.rows[side] ?? side;
  }

  choose(image) {
    this.image = image;
    this.root.querySelector(".stage").hidden = this.root.querySelector(".rows").hidden = !image;
    this.drawImages();
    if (!image) return;
    this.drawStage();
    this.drawRows();
  }

  drawStage() {
    const { left, right, error } = this.fields, stage = this.root.querySelector(".stage");
    this.put(stage.querySelector(".left"), this.picture(this.image, left.value), `${this.image.id}: ${this.name(left.value)}`);
    this.put(stage.querySelector(".right"), this.picture(this.image, right.value), `${this.image.id}: ${this.name(right.value)}`);
    this.put(stage.querySelector(".error img"), this.image.errors[this.name(error.value)], `${this.image.id}: error of ${this.name(error.value)}`);
    stage.querySelector(".sides").replaceChildren(make("span", {}, this.name(left.value)), make("span", {}, this.name(right.value)));
    stage.querySelector(".error figcaption").textContent = `error of ${this.name(error.value)}`;
    const facts = Object.entries(this.image.facts).map(([fact, value]) => `${fact} ${value}`);
    stage.querySelector(".image").replaceChildren(make("strong", {}, this.image.id), [`patient ${this.image.patient}`, ...facts].join(" · "));
    stage.querySelector(".scores").replaceChildren(...this.scoreRows(this.image));
  }

  /** A picture that is not there leaves an empty place of the same size. */
  put(img, uri, text) {
    img.src = uri ?? this.image.source;
    img.style.opacity = uri ? "" : "0";
    img.alt = uri ? text : `${text}: no picture`;
  }

  scoreRows(image) {
    const { rows, metrics } = this.data;
    const head = make("thead", {}, make("tr", {}, make("th", {}), ...metrics.map(({ name }) => make("th", { scope: "col" }, name))));
    const body = rows.map((row, number) => {
      const cells = metrics.map((_, metric) => make("td", {}, this.printed(this.score(image, number, metric), metric)));
      const chosen = [this.fields.left.value, this.fields.right.value].includes(String(number));
      return make("tr", chosen ? { class: "chosen" } : {}, make("th", { scope: "row" }, row), ...cells);
    });
    return [head, make("tbody", {}, ...body)];
  }

  drawRows() {
    const sides = [SOURCE, TARGET, ...this.data.rows.keys()].map(String).filter(side => this.picture(this.image, side));
    this.root.querySelector(".rows").replaceChildren(...sides.map(side => {
      const score = side in this.data.rows && this.data.metrics.length ? this.printed(this.score(this.image, side)) : "\u00a0";
      const pressed = [this.fields.left.value, this.fields.right.value].includes(side);
      const thumb = this.thumb(this.picture(this.image, side), this.name(side), score, pressed);
      thumb.title = `${this.name(side)}: click for the right side, with shift for the left`;
      thumb.addEventListener("click", event => {
        const field = this.fields[event.shiftKey ? "left" : "right"];
        field.value = side;
        this.changed(field);
      });
      return thumb;
    }));
  }

  drawImages() {
    const ordered = this.ordered(), right = this.fields.right.value, row = this.fields.row.value;
    this.root.querySelector(".steps output").value = ordered.length ? `${ordered.indexOf(this.image) + 1} of ${ordered.length}` : "";
    const thumbs = ordered.map(image => {
      const score = this.data.metrics.length ? this.printed(this.score(image, row)) : "";
      const thumb = this.thumb(this.picture(image, right) ?? image.target, shortened(image.id), score, image === this.image);
      thumb.addEventListener("click", () => this.choose(image));
      for (const event of ["mouseenter", "focus"]) thumb.addEventListener(event, () => this.showTip(image, thumb));
      for (const event of ["mouseleave", "blur"]) thumb.addEventListener(event, () => { this.tip.hidden = true; });
      return thumb;
    });
    this.tip.hidden = true;
    this.root.querySelector(".images").replaceChildren(...(thumbs.length ? thumbs : ["No image is like this."]));
  }

  thumb(uri, name, score, pressed) {
    const img = make("img", { src: uri, alt: "" });
    return make("button", { type: "button", class: "thumb", "aria-pressed": pressed }, img, make("span", {}, name), make("span", {}, score));
  }

  /** The scores of an image by every row, above the thumbnail, within the gallery. */
  showTip(image, thumb) {
    this.tip.replaceChildren(make("strong", {}, image.id), make("table", { class: "scores" }, ...this.scoreRows(image)));
    this.tip.hidden = false;
    const place = thumb.getBoundingClientRect(), box = this.root.getBoundingClientRect();
    const left = place.left - box.left + place.width / 2 - this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(0, Math.min(left, box.width - this.tip.offsetWidth))}px`;
    this.tip.style.top = `${place.top - box.top - this.tip.offsetHeight - 8}px`;
  }
}

document.querySelectorAll(".viewer").forEach(root => new Viewer(root));
