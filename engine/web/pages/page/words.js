// How figures, times and elements are written.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export const count = (number) => whole.format(number);
export const figure = (number) => (Math.abs(number) >= 1_000 ? whole : short).format(number);

const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

// A value with its unit; an amount has no currency of its own, and nobody reads fractions of many seconds.
export function reading(value, unit) {
  if (unit === "word") return [value, ""];
  if (unit === "currency") return [cents.format(value), ""];
  return [(unit === "s" && Math.abs(value) >= 10 ? whole : short).format(value), unit ? ` ${unit}` : ""];
}

// Times are those of the reader's zone.
const times = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const ofDay = new Intl.DateTimeFormat("en", times);
const inFull = new Intl.DateTimeFormat("en", { ...times, year: "numeric", month: "2-digit", day: "2-digit", timeZoneName: "short" });

export const clock = (ms) => ofDay.format(ms);

export function moment(ms) {
  if (!ms) return "–";
  const part = Object.fromEntries(inFull.formatToParts(ms).map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
}

// A time that goes on, in steps: what is read aloud should not change every second.
const STEPS = [[3_600, 3_600, "h"], [60, 60, "min"], [10, 1, "s"], [5, 1, "s"], [0, 1, "s"]]; // step, unit
export function lasting(seconds) {
  const [step, unit, name] = STEPS.find(([least]) => seconds >= least);
  return `${(Math.floor(seconds / (step || 1)) * (step || 1)) / unit} ${name}`;
}

export function ago(ms) {
  const seconds = Math.max(ms, 0) / 1_000;
  if (seconds < 90) return `${count(seconds)} s ago`;
  if (seconds < 5_400) return `${count(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${count(seconds / 3_600)} h ago`;
  return `${count(seconds / 86_400)} d ago`;
}

export const plain = (name) => String(name).replaceAll("_", " ");

// An element with text, attributes, listeners and children.
export function element(name, { text, on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const [key, listener] of Object.entries(on)) made.addEventListener(key, listener);
  made.append(...children);
  return made;
}
