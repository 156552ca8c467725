// Events per second over the last minutes, and a mark at the foot for the cues. Nothing is drawn for a time of
// which nothing is known.
import { count } from "/page/words.js";

const SPANS_MS = [60_000, 120_000, 300_000]; // the shortest that holds what is known
const STEP = 3; // pixels of one value, the mean of its points
const GAP_MS = 2_500; // points come every half second
const HEAD = 6, FOOT = 15;

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.points = []; // [epoch ms, events per second or null, cues]
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  add(points) {
    const last = this.points.at(-1)?.[0] ?? 0;
    const fresh = points.filter(([at]) => at > last);
    if (!fresh.length) return;
    this.points.push(...fresh);
    this.canvas.dataset.points = this.points.length;
    const oldest = this.points.at(-1)[0] - SPANS_MS.at(-1);
    while (this.points[0][0] < oldest) this.points.shift();
    this.draw();
  }

  draw() {
    const { canvas, points } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    if (points.length < 2 || !width) return;
    const now = points.at(-1)[0];
    const span = SPANS_MS.find((one) => one >= now - points[0][0]) ?? SPANS_MS.at(-1);
    const bins = binned(points, (span * STEP) / width);
    const most = Math.max(...bins.map((bin) => bin.speed ?? 0), 1);
    const x = (at) => width - ((now - at) / span) * width;
    const y = (speed) => height - FOOT - (speed / most) * (height - FOOT - HEAD);
    const style = getComputedStyle(canvas);
    for (const run of runs(bins)) this.line(pen, style, run, x, y, height);
    marks(pen, style, bins, x, height);
    this.words(most, span);
  }

  words(most, span) {
    const minutes = span > 60_000 ? `last ${span / 60_000} minutes` : "last minute";
    this.canvas.setAttribute("aria-label", `Events per second, ${minutes}: at most ${count(most)}. Bars at the foot are cues.`);
    document.getElementById("most").textContent = `up to ${count(most)}`;
    document.getElementById("span").textContent = `${minutes}; bars are cues`;
  }

  line(pen, style, run, x, y, height) {
    pen.beginPath();
    run.forEach((bin, i) => pen[i ? "lineTo" : "moveTo"](x(bin.at), y(bin.speed)));
    pen.strokeStyle = style.getPropertyValue("--accent");
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.stroke();
    pen.lineTo(x(run.at(-1).at), height - FOOT + 2);
    pen.lineTo(x(run[0].at), height - FOOT + 2);
    pen.closePath();
    pen.fillStyle = style.getPropertyValue("--accent-soft");
    pen.globalAlpha = 0.6;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

// Bins of `step` ms that stand still in time, so that the line does not tremble as it moves.
function binned(points, step) {
  const bins = new Map(), now = points.at(-1)[0];
  for (const [at, speed, cues] of points) {
    const place = Math.floor(at / step);
    const bin = bins.get(place) ?? { at: Math.min((place + 1) * step, now), from: at, sum: 0, known: 0, cues: 0 };
    if (speed !== null) { bin.sum += speed; bin.known += 1; }
    bin.cues += cues;
    bin.to = at;
    bins.set(place, bin);
  }
  return [...bins.values()].map((bin) => ({ ...bin, speed: bin.known ? bin.sum / bin.known : null }));
}

// Stretches without a gap.
function runs(bins) {
  const found = [];
  let before = null;
  for (const bin of bins) {
    const joined = before !== null && bin.from - before.to <= GAP_MS;
    if (bin.speed !== null) (joined ? found.at(-1) : found[found.push([]) - 1]).push(bin);
    before = bin.speed === null ? null : bin;
  }
  return found;
}

function marks(pen, style, bins, x, height) {
  const most = Math.max(...bins.map((bin) => bin.cues), 4);
  pen.fillStyle = style.getPropertyValue("--cue");
  for (const bin of bins) {
    const tall = bin.cues && 2 + (bin.cues / most) * (FOOT - 6);
    pen.fillRect(x(bin.at) - 1, height - tall, 2, tall);
  }
}
