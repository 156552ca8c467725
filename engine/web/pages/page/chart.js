// Events per second over the last minute; a mark at the foot for each half second with cues.
const POINTS = 120;

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.points = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  add(speed, cues) {
    this.points.push({ speed, cues });
    if (this.points.length > POINTS) this.points.shift();
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
    if (points.length < 2) return;
    const style = getComputedStyle(canvas);
    const top = Math.max(...points.map((point) => point.speed), 1) * 1.15;
    const x = (i) => width - (points.length - 1 - i) * (width / (POINTS - 1));
    const y = (speed) => height - 7 - (speed / top) * (height - 12);
    pen.beginPath();
    points.forEach((point, i) => pen[i ? "lineTo" : "moveTo"](x(i), y(point.speed)));
    pen.strokeStyle = style.getPropertyValue("--accent");
    pen.lineWidth = 1.8;
    pen.lineJoin = "round";
    pen.stroke();
    pen.lineTo(width, height);
    pen.lineTo(x(0), height);
    pen.closePath();
    pen.fillStyle = style.getPropertyValue("--accent-soft");
    pen.globalAlpha = 0.55;
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillStyle = style.getPropertyValue("--cue");
    points.forEach((point, i) => {
      if (point.cues) pen.fillRect(x(i) - 1, height - 4 - Math.min(point.cues, 8), 2.2, 4 + Math.min(point.cues, 8));
    });
  }
}
